"""TLS for the server that is measured, and its databases' addresses over it."""
import contextlib
import time
import urllib.parse

# Made by the server, in its own folder: so it may read its key, and nobody else may.
MAKE = """set -e; umask 077; cat > bench.extension
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=bench -keyout bench-authority.key -out bench-authority.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout bench.key -out bench.csr
openssl x509 -req -in bench.csr -CA bench-authority.pem -CAkey bench-authority.key -CAcreateserial -days 2 -out bench.pem -extfile \
bench.extension"""
ON = """alter system set ssl_cert_file = 'bench.pem';
alter system set ssl_key_file = 'bench.key';
alter system set ssl = on;
select pg_reload_conf();"""
OFF = """alter system reset ssl;
alter system reset ssl_cert_file;
alter system reset ssl_key_file;
select pg_reload_conf();"""


@contextlib.contextmanager
def offered(database):
    """Meanwhile the server also takes connections over TLS 1.3; gives what makes a verified one of an address.

    Raises RuntimeError if the server cannot: it was built without, or there is no `openssl`."""
    database.sql(f"copy (select 'subjectAltName=DNS:localhost') to program '{MAKE}';")
    authority = database.work / "authority.pem"
    authority.write_text(database.sql("select pg_read_file('bench-authority.pem')") + "\n")

    def verified(url):
        parts = urllib.parse.urlsplit(url)
        user, _, address = parts.netloc.rpartition("@")
        query = urllib.parse.urlencode({"sslmode": "verify-full", "sslrootcert": authority})
        return parts._replace(netloc=f"{user}@localhost:{address.rpartition(':')[2]}", query=query).geturl()

    try:
        database.sql(ON)
        deadline = time.monotonic() + 10
        while (seen := tls_version(database, verified(database.url))) != "TLSv1.3":
            if time.monotonic() > deadline:
                raise RuntimeError(f"no connection over TLS 1.3: {seen}")
        yield verified
    finally:
        database.sql(OFF)


def tls_version(database, url):
    try:
        return database.at(url).sql("select version from pg_stat_ssl where pid = pg_backend_pid()")
    except RuntimeError as failure:  # the server has not read its settings again yet
        return str(failure)
