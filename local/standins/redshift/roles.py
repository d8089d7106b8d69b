"""S3 with the rights of the role that a COPY names.

Redshift assumes the role itself, which the local AWS cannot let anybody do in its name. So the role's trust is read here, and its
policies are copied to a twin that may be assumed.
"""

import hashlib
import json
import threading

import boto3

from .errors import Refused

REDSHIFT = {"redshift.amazonaws.com", "redshift-serverless.amazonaws.com"}
ANYBODY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}


class Roles:
    """Clients of S3, by roles."""

    def __init__(self, endpoint):
        self._settings = {"endpoint_url": endpoint, "region_name": "us-east-1"}
        self._lock = threading.Lock()

    def s3(self, role):
        """A client with the rights of the role, named by its ARN, as they are now."""
        # One at a time: two COPYs may give one role, and its twin is made to be what the role is.
        with self._lock:
            keys = self._assume(role)
        return boto3.client("s3", **self._settings, aws_access_key_id=keys["AccessKeyId"],
                            aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])

    def _administrator(self, service):
        return boto3.client(service, **self._settings, aws_access_key_id="test", aws_secret_access_key="test")

    def _assume(self, role):
        iam = self._administrator("iam")
        refused = Refused(f"ERROR: The Redshift user is not authorized to assume IAM Role {role}")
        try:
            found = iam.get_role(RoleName=role.rsplit("/", 1)[-1])["Role"]
        except iam.exceptions.NoSuchEntityException:
            raise refused from None
        if not trusts_redshift(found["AssumeRolePolicyDocument"]):
            raise refused
        twin = self._twin(iam, found["RoleName"])
        return self._administrator("sts").assume_role(RoleArn=twin, RoleSessionName="redshift")["Credentials"]

    @staticmethod
    def _twin(iam, name):
        twin = "redshift-standin-" + hashlib.sha256(name.encode()).hexdigest()[:32]
        try:
            arn = iam.get_role(RoleName=twin)["Role"]["Arn"]
        except iam.exceptions.NoSuchEntityException:
            arn = iam.create_role(RoleName=twin, AssumeRolePolicyDocument=json.dumps(ANYBODY))["Role"]["Arn"]
        wanted = set(iam.list_role_policies(RoleName=name)["PolicyNames"])
        for policy in set(iam.list_role_policies(RoleName=twin)["PolicyNames"]) - wanted:
            iam.delete_role_policy(RoleName=twin, PolicyName=policy)
        for policy in wanted:
            document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            text = document if isinstance(document, str) else json.dumps(document)
            iam.put_role_policy(RoleName=twin, PolicyName=policy, PolicyDocument=text)
        attached = lambda role: {p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]}  # noqa: E731
        for policy in attached(twin) - attached(name):
            iam.detach_role_policy(RoleName=twin, PolicyArn=policy)
        for policy in attached(name):
            iam.attach_role_policy(RoleName=twin, PolicyArn=policy)
        return arn


def trusts_redshift(document):
    """Does the trust policy let Redshift assume the role?"""
    document = json.loads(document) if isinstance(document, str) else document
    for statement in document["Statement"]:
        services = statement.get("Principal", {}).get("Service", []) if isinstance(statement.get("Principal"), dict) else []
        services = {services} if isinstance(services, str) else set(services)
        if statement["Effect"] == "Allow" and services & REDSHIFT:
            return True
    return False
