"""Judges requests to AWS by the models of its services, which botocore has with it.

usage: check_requests.py FOLDER

FOLDER/requests.jsonl has a request a line: {"method", "path", "headers": [[name, value], ..]}, and
FOLDER/<number of the line>.body has its body, counted from 0. Prints JSON: the operations that were called,
as often as they were, and what is wrong with them.

botocore reads answers, not requests, so that the way back from the wire to parameters is here; then
botocore's own validator looks at what is required, unknown, of another type or too small, and the rest
(largest, patterns, lists of values), which botocore leaves to the service, is looked at here.
"""

import base64
import binascii
import functools
import io
import json
import pathlib
import re
import sys
import unicodedata
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

import botocore.loaders
from botocore.model import ServiceModel
from botocore.parsers import RpcV2CBORParser
from botocore.validate import ParamValidator

# By the name for which a request is signed: the models that may be meant.
SERVICES = {
    "apigateway": ["apigatewayv2"],
    "dynamodb": ["dynamodb", "dynamodbstreams"],
    "events": ["events"],
    "iam": ["iam"],
    "kinesis": ["kinesis"],
    "lambda": ["lambda"],
    "logs": ["logs"],
    "monitoring": ["cloudwatch"],
    "s3": ["s3"],
    "scheduler": ["scheduler"],
    "secretsmanager": ["secretsmanager"],
    "sns": ["sns"],
    "sqs": ["sqs"],
    "ssm": ["ssm"],
    "sts": ["sts"],
}

# What the signature, and the name of the operation, add to any query.
OF_EVERY_QUERY = re.compile("x-id$|X-Amz-", re.IGNORECASE)

# Numbers and the like, as they are written in queries and headers.
PLAIN = {"integer": int, "long": int, "float": float, "double": float, "boolean": "true".__eq__}


class Strange(Exception):
    """No operation that is known."""


class Request:
    def __init__(self, line, body):
        told = json.loads(line)
        self.method, self.body = told["method"], body
        path, _, query = told["path"].partition("?")
        self.path = path.rstrip("/") or "/"
        self.query = parse_qsl(query, keep_blank_values=True)
        self.headers = {name.lower(): value for name, value in told["headers"]}
        self.line = f"{self.method} {told['path']}"

    def models(self):
        scope = re.search("Credential=([^,]+)", self.headers.get("authorization", ""))
        if scope is None:
            raise Strange("is not signed")
        service = scope[1].split("/")[3]
        if service not in SERVICES:
            raise Strange(f"{service} is not known to this script")
        return [model(name) for name in SERVICES[service]]


@functools.cache
def model(service):
    return ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


def called(request):
    """The operation, its parameters and what is wrong; of several that fit, that with the least wrong."""
    found = []
    for service in request.models():
        found += list(reader(service, request))
    if not found:
        raise Strange("is no operation of the model")
    return min(found, key=lambda one: (len(one[2]), one[0].deprecated, -len(one[1])))


def reader(service, request):
    """A request tells its protocol: services know several, and clients choose."""
    if "x-amz-target" in request.headers:
        return by_target(service, request)
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return by_name(service, request)
    if service.metadata["protocol"] in ("rest-json", "rest-xml"):
        return by_path(service, request)
    return by_action(service, request)


def by_target(service, request):
    """awsJson: the operation is in a header, and all parameters are in the body."""
    prefix, _, name = request.headers.get("x-amz-target", "").rpartition(".")
    if prefix == service.metadata["targetPrefix"] and name in service.operation_names:
        operation = service.operation_model(name)
        told = from_json(operation.input_shape, json.loads(request.body or b"{}"))
        yield operation, told, refused(operation.input_shape, told)


def by_action(service, request):
    """awsQuery: a form."""
    pairs = request.query + parse_qsl(request.body.decode(), keep_blank_values=True)
    form = dict(pairs)
    name, version = form.pop("Action", None), form.pop("Version", None)
    if version == service.api_version and name in service.operation_names:
        operation = service.operation_model(name)
        tree = {}
        for key, value in form.items():
            *folders, last = key.split(".")
            functools.reduce(lambda at, part: at.setdefault(part, {}), folders, tree)[last] = value
        told = from_form(operation.input_shape, tree)
        yield operation, told, refused(operation.input_shape, told)


def by_name(service, request):
    """rpcV2Cbor: the operation ends the path, and all parameters are in the body."""
    name = request.path.rpartition("/operation/")[2]
    if name in service.operation_names:
        operation = service.operation_model(name)
        body = io.BufferedReader(io.BytesIO(request.body))
        told = RpcV2CBORParser().parse_data_item(body) if request.body else {}
        yield operation, told, refused(operation.input_shape, told)


def by_path(service, request):
    """restJson and restXml: method and path tell the operation, and parameters are everywhere."""
    read_body = rest_body if service.metadata["protocol"] == "rest-json" else xml_body
    for name in service.operation_names:
        operation = service.operation_model(name)
        path, _, query = operation.http["requestUri"].partition("?")
        fixed = parse_qsl(query, keep_blank_values=True)
        place = template(path.rstrip("/") or "/").fullmatch(request.path)
        if operation.http["method"] != request.method or place is None:
            continue
        if any(pair not in request.query for pair in fixed):
            continue
        left = [pair for pair in request.query if pair not in fixed]
        members = operation.input_shape.members if operation.input_shape else {}
        parameters, used = bound(members, place.groupdict(), left, request.headers)
        unused = [
            f"the query has {key}, which the operation does not know"
            for key, _ in left
            if key not in used and not OF_EVERY_QUERY.match(key)
        ]
        parameters |= read_body(operation.input_shape, request)
        # Another operation of the same path is meant, if this one needs what is not there.
        yield operation, parameters, unused + refused(operation.input_shape, parameters)


@functools.cache
def template(path):
    parts = re.split(r"\{([\w-]+)(\+?)\}", path)
    text = re.escape(parts[0])
    for name, rest, literal in zip(parts[1::3], parts[2::3], parts[3::3]):
        text += f"(?P<{group(name)}>{'.+' if rest else '[^/]+'})" + re.escape(literal)
    return re.compile(text)


def group(name):
    """As regular expressions may call it."""
    return name.replace("-", "_")


def bound(members, place, query, headers):
    """What is in path, query and headers; and the keys of the query that were of use."""
    found, used = {}, set()
    for name, shape in members.items():
        where = shape.serialization.get("location")
        key = shape.serialization.get("name", name)
        values = []
        if where == "uri":
            values = [unquote(place[group(key)])] if group(key) in place else []
        elif where == "querystring":
            values = [value for at, value in query if at == key]
            used |= {key} if values else set()
        elif where == "header":
            values = [headers[key.lower()]] if key.lower() in headers else []
        elif where == "headers":
            begin = key.lower()
            all_such = {at[len(begin):]: is_ for at, is_ in headers.items() if at.startswith(begin)}
            found |= {name: all_such} if all_such else {}
        if values:
            is_list = shape.type_name == "list"
            found[name] = [plain(shape.member, v) for v in values] if is_list else plain(shape, values[0])
    return found, used


def plain(shape, text):
    try:
        return PLAIN.get(shape.type_name, str)(text)
    except ValueError:
        return text


def of_body(shape):
    """The members that are in the body."""
    return {n: s for n, s in shape.members.items() if "location" not in s.serialization}


def rest_body(shape, request):
    if shape is None or not request.body:
        return {}
    payload = shape.serialization.get("payload")
    if payload is None:
        return from_json(shape, json.loads(request.body), of_body(shape))
    if shape.members[payload].type_name in ("blob", "string"):
        return {payload: request.body}
    return {payload: from_json(shape.members[payload], json.loads(request.body))}


def xml_body(shape, request):
    payload = shape.serialization.get("payload") if shape else None
    if payload is None or not request.body:
        return {}
    if shape.members[payload].type_name in ("blob", "string"):
        return {payload: request.body}
    return {payload: from_xml(shape.members[payload], ElementTree.fromstring(request.body))}


def from_json(shape, value, members=None):
    """Parameters by their names in the model; what it does not know keeps its name."""
    kind = shape.type_name if shape else "structure"
    if kind == "structure" and isinstance(value, dict):
        members = members if members is not None else shape.members if shape else {}
        names = {s.serialization.get("name", n): n for n, s in members.items()}
        return {
            names.get(key, key): from_json(members[names[key]], item) if key in names else item
            for key, item in value.items()
        }
    if kind == "list" and isinstance(value, list):
        return [from_json(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: from_json(shape.value, item) for key, item in value.items()}
    if kind == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            return None
    return value


def from_form(shape, tree):
    kind = shape.type_name if shape else "structure"
    if isinstance(tree, str):
        return plain(shape, tree)
    if kind == "structure":
        members = shape.members if shape else {}
        names = {s.serialization.get("name", n): n for n, s in members.items()}
        return {
            names.get(key, key): from_form(members[names[key]], item) if key in names else item
            for key, item in tree.items()
        }
    flat = shape.serialization.get("flattened")
    if kind == "list":
        items = tree if flat else tree.get(shape.member.serialization.get("name", "member"), {})
        return [from_form(shape.member, items[key]) for key in sorted(items, key=int)]
    entries = (tree if flat else tree.get("entry", {})).values()
    key, value = (s.serialization.get("name", n) for s, n in [(shape.key, "key"), (shape.value, "value")])
    return {entry[key]: from_form(shape.value, entry[value]) for entry in entries}


def from_xml(shape, element):
    def called_(node):
        return node.tag.rpartition("}")[2]

    if shape.type_name == "structure":
        found, names = {}, {s.serialization.get("name", n): n for n, s in shape.members.items()}
        for node in element:
            name = names.get(called_(node))
            if name is None:
                found[called_(node)] = node.text
            elif shape.members[name].serialization.get("flattened"):
                found.setdefault(name, []).append(from_xml(shape.members[name].member, node))
            else:
                found[name] = from_xml(shape.members[name], node)
        return found
    if shape.type_name == "list":
        return [from_xml(shape.member, node) for node in element]
    return plain(shape, element.text or "")


def refused(shape, parameters):
    """What botocore refuses to send."""
    if shape is None:
        return [f"it takes no {key}" for key in parameters]
    return ParamValidator().validate(parameters, shape).generate_report().splitlines()


def beyond(shape, value, at=""):
    """What is larger than the model allows, or is none of its values."""
    if shape is None or value is None:
        return
    limits = shape.metadata
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, member in shape.members.items():
            if name in value:
                yield from beyond(member, value[name], f"{at}.{name}")
        return
    if shape.type_name == "list" and isinstance(value, list):
        for number, item in enumerate(value):
            yield from beyond(shape.member, item, f"{at}[{number}]")
    if shape.type_name == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from beyond(shape.key, key, f"{at}, a key")
            yield from beyond(shape.value, item, f"{at}.{key}")
    where = at.lstrip(".")
    is_number = isinstance(value, (int, float))
    size = value if is_number else len(value)
    if "max" in limits and size > limits["max"]:
        shown = value if is_number else f"length {size}"
        yield f"{where}: {shown} is more than {limits['max']}"
    if limits.get("enum") and value not in limits["enum"]:
        yield f"{where}: {value!r} is none of {', '.join(limits['enum'])}"
    pattern = limits.get("pattern")
    if pattern and isinstance(value, str) and not compiled(pattern).fullmatch(value):
        yield f"{where}: {value!r} does not match {pattern}"


@functools.cache
def compiled(pattern):
    """A regular expression of Java's, in which categories of characters have names."""
    return re.compile(re.sub(r"\\p\{(\w+)\}", lambda found: category(found[1]), pattern))


@functools.cache
def category(name):
    """The characters of one of Unicode's categories, to stand between brackets."""
    ranges, last = [], None
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)).startswith(name):
            if last == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
            last = code
    return "".join(f"\\U{first:08x}-\\U{end:08x}" for first, end in ranges)


def judge(request):
    """The name of the operation, and what is wrong with it."""
    try:
        operation, parameters, problems = called(request)
    except Strange as strange:
        return request.line, [str(strange)]
    name = f"{operation.service_model.service_name} {operation.name}"
    return name, problems + list(beyond(operation.input_shape, parameters))


def main():
    folder = pathlib.Path(sys.argv[1])
    operations, all_problems = {}, []
    for number, line in enumerate((folder / "requests.jsonl").read_text().splitlines()):
        body = (folder / f"{number}.body").read_bytes()
        name, problems = judge(Request(line, body))
        operations[name] = operations.get(name, 0) + 1
        all_problems += [f"{name}: {problem}" for problem in problems]
    print(json.dumps({"operations": operations, "problems": all_problems}))


if __name__ == "__main__":
    main()
