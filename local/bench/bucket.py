"""S3 as far as the functions and their rivals speak it: one bucket, whatever its name, its objects in memory or in files."""
import bisect
import email.utils
import hashlib
import os
import re
import threading
import urllib.parse
from xml.sax.saxutils import escape

MODIFIED = 1_704_067_200  # of every object, 2024-01-01
MODIFIED_ISO, MODIFIED_HTTP = "2024-01-01T00:00:00.000Z", email.utils.formatdate(MODIFIED, usegmt=True)
LAST = "\U0010ffff"  # behind every other character


class Object:
    """Pieces one after the other, each bytes or a stretch of a file: (file, start, length)."""

    def __init__(self, pieces, etag):
        self.pieces, self.etag = pieces, f'"{etag}"'
        self.ends, self.size = [], 0
        for piece in pieces:
            self.size += len(piece) if isinstance(piece, bytes) else piece[2]
            self.ends.append(self.size)

    @classmethod
    def of_bytes(cls, data):
        return cls([data], md5(data))

    @classmethod
    def of_file(cls, path, times=1):
        """A file, its lines behind the first one repeated."""
        file = open(path, "rb")
        head, size = len(file.readline()), os.path.getsize(path)
        pieces = [(file, 0, size)] + [(file, head, size - head)] * (times - 1)
        return cls(pieces, md5(f"{path} {size} {os.path.getmtime(path)} {times}".encode()))

    def range(self, start, stop):
        """The pieces of the bytes from `start` to `stop`."""
        for index in range(bisect.bisect_right(self.ends, start), len(self.pieces)):
            piece, end = self.pieces[index], self.ends[index]
            begin = self.ends[index - 1] if index else 0
            if begin >= stop:
                return
            first, last = max(start, begin) - begin, min(stop, end) - begin
            yield piece[first:last] if isinstance(piece, bytes) else (piece[0], piece[1] + first, last - first)

    def save(self, path):
        with open(path, "wb") as file:
            for piece in self.range(0, self.size):
                file.write(piece if isinstance(piece, bytes) else os.pread(piece[0].fileno(), piece[2], piece[1]))


class Synthetic:
    """A sorted sequence of keys that are only made when they are asked for."""

    def __init__(self, prefix, count, folders):
        self.prefix, self.count, self.per_folder = prefix, count, -(-count // folders) if folders else 0

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if self.per_folder:
            return f"{self.prefix}folder-{index // self.per_folder:04}/file-{index:08}.csv"
        return f"{self.prefix}file-{index:08}.csv"


class Bucket:
    """The objects, and the requests for them."""

    def __init__(self):
        self.lock = threading.Lock()
        self.clear()

    def clear(self):
        self.objects, self.uploads, self.synthetic = {}, {}, None

    def place(self, key, new):
        self.objects[key] = new
        return {"key": key, "etag": new.etag, "size": new.size}

    def answer(self, method, path, query, headers, body):
        """The kind of a request, and the answer to it: status, headers, and bytes or pieces."""
        key = path.lstrip("/").partition("/")[2]
        if method == "GET" and not key:
            return "ListObjectsV2", self.list(query)
        if method in ("GET", "HEAD"):
            return "GetObject", self.get(key, method, headers)
        if headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
            body = unchunked(body)
        if method == "PUT" and "partNumber" in query:
            self.uploads[query["uploadId"]][int(query["partNumber"])] = body
            return "UploadPart", (200, {"ETag": f'"{md5(body)}"'}, b"")
        if method == "PUT":
            return "PutObject", self.put(key, Object.of_bytes(body), headers)
        if method == "POST" and "uploads" in query:
            upload = f"upload-{len(self.uploads)}"
            self.uploads[upload] = {}
            return "CreateMultipartUpload", xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
        if method == "POST" and "uploadId" in query:
            parts = [data for _, data in sorted(self.uploads[query["uploadId"]].items())]
            new = Object(parts, f"{md5(b''.join(parts))}-{len(parts)}")
            self.put(key, new, headers)
            return "CompleteMultipartUpload", xml("CompleteMultipartUploadResult", f"<ETag>{escape(new.etag)}</ETag>")
        return f"{method} {path}", failure(501, "NotImplemented")

    def put(self, key, new, headers):
        with self.lock:
            old = self.objects.get(key)
            if headers.get("if-none-match") and old:
                return failure(412, "PreconditionFailed")
            if wanted := headers.get("if-match"):
                if not old:
                    return failure(404, "NoSuchKey")
                if old.etag != wanted:
                    return failure(412, "PreconditionFailed")
            self.objects[key] = new
            return 200, {"ETag": new.etag}, b""

    def get(self, key, method, headers):
        found = self.objects.get(key)
        if not found:
            return failure(404, "NoSuchKey")
        if headers.get("if-match", found.etag) != found.etag:
            return failure(412, "PreconditionFailed")
        answer = {"ETag": found.etag, "Last-Modified": MODIFIED_HTTP, "Accept-Ranges": "bytes"}
        status, start, stop = 200, 0, found.size
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", ""))
        if asked and any(asked.groups()):
            first, last = asked.groups()
            start = int(first) if first else max(found.size - int(last), 0)
            stop = min(int(last) + 1, found.size) if first and last else found.size
            if start >= stop:
                return failure(416, "InvalidRange")
            status, answer["Content-Range"] = 206, f"bytes {start}-{stop - 1}/{found.size}"
        answer["Content-Length"] = stop - start
        return status, answer, [] if method == "HEAD" else found.range(start, stop)

    def list(self, query):
        """A page of a listing: of the synthetic keys, if there are any under the prefix, else of the objects."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        limit = min(int(query.get("max-keys", 1000)), 1000)
        encode = urllib.parse.quote if query.get("encoding-type") == "url" else escape
        is_synthetic = self.synthetic is not None and prefix.startswith(self.synthetic.prefix)
        with self.lock:
            keys = self.synthetic if is_synthetic else sorted(self.objects)
        after = query.get("continuation-token") or query.get("start-after") or ""
        place = max(bisect.bisect_left(keys, prefix), bisect.bisect_right(keys, after) if after else 0)
        end = bisect.bisect_left(keys, prefix + LAST)
        parts, last = [], ""
        while place < end and len(parts) < limit:
            key = keys[place]
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                folder = key[:cut + len(delimiter)]
                parts.append(f"<CommonPrefixes><Prefix>{encode(folder)}</Prefix></CommonPrefixes>")
                last = folder + LAST
                place = bisect.bisect_left(keys, last)
                continue
            found = None if is_synthetic else self.objects[key]
            etag, size = (found.etag, found.size) if found else (f'"{place:032x}"', 1000)
            parts.append(f"<Contents><Key>{encode(key)}</Key><LastModified>{MODIFIED_ISO}</LastModified><ETag>{etag}</ETag>"
                         f"<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>")
            last, place = key, place + 1
        more = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if place < end else ""
        kind = "<EncodingType>url</EncodingType>" if encode is urllib.parse.quote else ""
        head = f"<Name>bucket</Name><Prefix>{encode(prefix)}</Prefix>{kind}<KeyCount>{len(parts)}</KeyCount>"
        head += f"<MaxKeys>{limit}</MaxKeys><IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}"
        return xml("ListBucketResult", head + "".join(parts))


def unchunked(body):
    """The payload of an aws-chunked body. What trails it, a checksum, is not looked at."""
    payload, place = [], 0
    while True:
        line_end = body.index(b"\r\n", place)
        length = int(body[place:line_end].split(b";")[0], 16)
        if not length:
            return b"".join(payload)
        payload.append(body[line_end + 2:line_end + 2 + length])
        place = line_end + 4 + length


def xml(name, content, status=200):
    text = f'<?xml version="1.0" encoding="UTF-8"?><{name}>{content}</{name}>'
    return status, {"Content-Type": "application/xml"}, text.encode()


def failure(status, code):
    return xml("Error", f"<Code>{code}</Code><Message>{code}</Message>", status)


def md5(data):
    return hashlib.md5(data).hexdigest()
