"""What the stand-in refuses and accepts, through boto3, as a function would call it. What is expected is what AWS documents.

Needs AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_REDSHIFT_DATA and REDSHIFT_DATABASE, a database that no other test uses.
"""
