"""Prints what AWS has under a name, as JSON: `describe.py <kind> <name>`.

Left out are what AWS chooses (ids, dates, checksums) and what the client adds.
"""

import json
import re
import sys

import boto3

CHOSEN = {
    "ApiId",
    "CreatedDate",
    "CreatedTimestamp",
    "CreationDate",
    "LastModificationDate",
    "LastModified",
    "LastModifiedTimestamp",
    "LastUpdatedDate",
    "DeploymentId",
    "LastDeploymentStatusMessage",
    "ResponseMetadata",
    "UUID",
    "EventSourceMappingArn",
    "StateTransitionReason",
    "LastProcessingResult",
}


def apis(name):
    gateway = boto3.client("apigatewayv2")
    for api in gateway.get_apis()["Items"]:
        if api["Name"] == name:
            yield gateway, api


def http_api(name):
    return [api for _, api in apis(name)]


def http_part(name):
    """All parts of an API, with ids by their order."""
    parts = {}
    for gateway, api in apis(name):
        of = {"ApiId": api["ApiId"]}
        parts["integrations"] = gateway.get_integrations(**of)["Items"]
        parts["authorizers"] = gateway.get_authorizers(**of)["Items"]
        parts["routes"] = gateway.get_routes(**of)["Items"]
        parts["stages"] = gateway.get_stages(**of)["Items"]
    return parts


def schedule_group(name):
    scheduler = boto3.client("scheduler")
    group = scheduler.get_schedule_group(Name=name)
    group["Tags"] = scheduler.list_tags_for_resource(ResourceArn=group["Arn"])["Tags"]
    return group


def schedule(name):
    group, name = name.split("/")
    return boto3.client("scheduler").get_schedule(GroupName=group, Name=name)


def queue(name):
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    told = {key: attributes.get(key) for key in attributes if "Approximate" not in key}
    return {"attributes": told, "tags": sqs.list_queue_tags(QueueUrl=url).get("Tags", {})}


def event_source_mapping(name):
    aws = boto3.client("lambda")
    alias, source = name.split("/", 1)
    found = aws.list_event_source_mappings(FunctionName=alias)["EventSourceMappings"]
    source = source.split("/")[-1]
    mine = [one for one in found if source in one["EventSourceArn"]]
    for mapping in mine:
        mapping["Tags"] = aws.list_tags(Resource=mapping["EventSourceMappingArn"])["Tags"]
    return mine


def topic(name):
    sns = boto3.client("sns")
    for arn in (one["TopicArn"] for one in sns.list_topics()["Topics"]):
        if arn.endswith(":" + name):
            tags = sns.list_tags_for_resource(ResourceArn=arn)["Tags"]
            subscriptions = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
            for subscription in subscriptions:
                del subscription["SubscriptionArn"]
            return {"arn": arn, "tags": tags, "subscriptions": subscriptions}
    return None


def bucket(name):
    s3 = boto3.client("s3")
    try:
        tags = s3.get_bucket_tagging(Bucket=name)["TagSet"]
    except s3.exceptions.ClientError as error:
        tags = error.response["Error"]["Code"]
    notifications = s3.get_bucket_notification_configuration(Bucket=name)
    return {"tags": tags, "notifications": notifications}


def without_chosen(value):
    if isinstance(value, dict):
        return {key: without_chosen(value[key]) for key in value if key not in CHOSEN}
    if isinstance(value, list):
        return sorted((without_chosen(one) for one in value), key=json.dumps)
    return value


def without_ids(text):
    """The ids that API Gateway gives, in the order in which they are met."""
    for name in ("AuthorizerId", "IntegrationId", "RouteId"):
        for number, found in enumerate(dict.fromkeys(re.findall(rf'"{name}": "(\w+)"', text))):
            text = text.replace(found, f"<{name} {number + 1}>")
    text = re.sub(r"https?://[\w.:-]+", "<endpoint>", text)
    return re.sub(r"stream/\d{4}-[\d:T.-]+", "stream/<date>", text)


kind, name = sys.argv[1:]
told = without_chosen(globals()[kind](name))
print(without_ids(json.dumps(told, indent=2, sort_keys=True, default=str)))
