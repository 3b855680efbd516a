"""Deploys one function as mlfn does, with the same calls: what a careful person would write by hand.

usage: deploy_with_boto3.py deploy|remove NAME FOLDER MEMORY

A role with a policy, a log group that forgets, the function, a version, an alias, a URL that anybody
may call, a schedule with its group and its role; the new version answers a request before the alias
points to it. What is there and alike is left alone.
"""

import base64
import hashlib
import io
import json
import pathlib
import sys
import time
import zipfile

import boto3

REQUEST = json.dumps({"features": [0.5] * 1000})


def archive(folder):
    """The package, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(str(path.relative_to(folder)))
                entry.external_attr = 0o755 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                package.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def trust(service):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allowing(actions, resource):
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Deployment:
    def __init__(self, name):
        self.name = name
        self.iam = boto3.client("iam")
        self.functions = boto3.client("lambda")
        self.logs = boto3.client("logs")
        self.scheduler = boto3.client("scheduler")
        self.group = f"/aws/lambda/{name}"
        self.account = boto3.client("sts").get_caller_identity()["Account"]

    def deploy(self, package, memory):
        digest = base64.b64encode(hashlib.sha256(package).digest()).decode()
        try:
            there = self.functions.get_function_configuration(FunctionName=self.name)
        except self.functions.exceptions.ResourceNotFoundException:
            return self.create(package, memory)
        is_changed = False
        if there["CodeSha256"] != digest:
            self.functions.update_function_code(FunctionName=self.name, ZipFile=package)
            is_changed = self.wait()
        if there["MemorySize"] != memory:
            self.functions.update_function_configuration(FunctionName=self.name, MemorySize=memory)
            is_changed = self.wait()
        if is_changed:
            version = self.publish()
            self.functions.update_alias(
                FunctionName=self.name, Name="live", FunctionVersion=version
            )

    def create(self, package, memory):
        self.logs.create_log_group(logGroupName=self.group)
        self.logs.put_retention_policy(logGroupName=self.group, retentionInDays=30)
        role = self.role(self.name, "lambda.amazonaws.com", "logs:PutLogEvents", self.group)
        self.functions.create_function(
            FunctionName=self.name,
            Runtime="provided.al2023",
            Handler="bootstrap",
            Role=role,
            Code={"ZipFile": package},
            MemorySize=memory,
            Timeout=30,
        )
        self.wait()
        alias = self.functions.create_alias(
            FunctionName=self.name, Name="live", FunctionVersion=self.publish()
        )["AliasArn"]
        self.url()
        self.schedule(alias)

    def role(self, name, service, action, resource):
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(service))
        policy = allowing([action], resource)
        self.iam.put_role_policy(RoleName=name, PolicyName="mlfn", PolicyDocument=policy)
        return made["Role"]["Arn"]

    def wait(self):
        while True:
            is_now = self.functions.get_function_configuration(FunctionName=self.name)
            if is_now["State"] == "Active" and is_now.get("LastUpdateStatus") != "InProgress":
                return True
            time.sleep(0.1)

    def publish(self):
        version = self.functions.publish_version(FunctionName=self.name)["Version"]
        answer = self.functions.invoke(
            FunctionName=self.name, Qualifier=version, Payload=REQUEST
        )
        if "FunctionError" in answer:
            sys.exit(answer["Payload"].read().decode())
        return version

    def url(self):
        live = {"FunctionName": self.name, "Qualifier": "live"}
        self.functions.create_function_url_config(**live, AuthType="NONE")
        self.functions.add_permission(
            **live,
            StatementId="url",
            Action="lambda:InvokeFunctionUrl",
            Principal="*",
            FunctionUrlAuthType="NONE",
        )
        self.functions.add_permission(
            **live, StatementId="url-function", Action="lambda:InvokeFunction", Principal="*"
        )

    def schedule(self, alias):
        self.scheduler.create_schedule_group(Name=self.name)
        service = "scheduler.amazonaws.com"
        role = self.role(f"{self.name}-clock", service, "lambda:InvokeFunction", alias)
        self.scheduler.create_schedule(
            GroupName=self.name,
            Name="clock",
            ScheduleExpression="rate(5 minutes)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": alias, "RoleArn": role, "Input": REQUEST},
        )

    def remove(self):
        self.scheduler.delete_schedule(GroupName=self.name, Name="clock")
        self.scheduler.delete_schedule_group(Name=self.name)
        live = {"FunctionName": self.name, "Qualifier": "live"}
        self.functions.delete_function_url_config(**live)
        self.functions.delete_alias(FunctionName=self.name, Name="live")
        self.functions.delete_function(FunctionName=self.name)
        for role in (self.name, f"{self.name}-clock"):
            self.iam.delete_role_policy(RoleName=role, PolicyName="mlfn")
            self.iam.delete_role(RoleName=role)
        self.logs.delete_log_group(logGroupName=self.group)


verb, name, folder, memory = sys.argv[1:]
deployment = Deployment(name)
if verb == "deploy":
    deployment.deploy(archive(pathlib.Path(folder)), int(memory))
else:
    deployment.remove()
