"""python -m redshift --s3 URL: serves the socket that standard input is, until it is told to end.

POSTGRES in the environment is the server's address without a database, postgres://user:password@host:port.
"""

import argparse
import os
import socket

from .batches import Engine
from .server import Server


def main():
    parser = argparse.ArgumentParser(prog="redshift", description=__doc__)
    parser.add_argument("--s3", required=True, help="where S3, IAM and STS answer")
    arguments = parser.parse_args()
    # The password is for this process only: not for `ps`.
    engine = Engine(os.environ.pop("POSTGRES"), arguments.s3)
    # The socket was chosen, and told to others, before this process was started.
    Server(socket.socket(fileno=os.dup(0)), engine).serve_forever()


if __name__ == "__main__":
    main()
