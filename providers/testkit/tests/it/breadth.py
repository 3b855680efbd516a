"""Asks every service that mlfn uses for something that is not there, or for an empty list."""

import boto3

boto3.client("apigatewayv2").get_apis()
boto3.client("cloudwatch").describe_alarms()
boto3.client("dynamodb").list_tables()
boto3.client("dynamodbstreams").list_streams()
boto3.client("events").list_rules()
boto3.client("iam").list_roles()
boto3.client("kinesis").list_streams()
boto3.client("lambda").list_functions()
boto3.client("logs").describe_log_groups()
boto3.client("resourcegroupstaggingapi").get_resources()
boto3.client("s3").list_buckets()
boto3.client("scheduler").list_schedules()
boto3.client("secretsmanager").list_secrets()
boto3.client("sns").list_topics()
boto3.client("sqs").list_queues()
boto3.client("ssm").describe_parameters()
boto3.client("sts").get_caller_identity()
