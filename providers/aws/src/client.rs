//! The clients of the APIs: one configuration, one connection pool and one set of credentials for
//! all of them. A client is made when it is first asked for.
//!
//! Everything can be set by AWS's standard means: `AWS_PROFILE`, `AWS_REGION`, `~/.aws/config`,
//! `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`.

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls;
use aws_types::service_config::ServiceConfigKey;
use mlfn_core::Access;

use crate::credentials::keeping_credentials;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an ordinary call may take, which answers within a second or two.
const CALL: Duration = Duration::from_mins(1);

/// How long a call may take that carries a package, or runs a function: those run up to 15 minutes.
pub(crate) const LONG_CALL: Duration = Duration::from_mins(16);

/// All clients.
#[derive(Debug)]
pub(crate) struct Clients {
    config: SdkConfig,
    s3: OnceLock<aws_sdk_s3::Client>,
    made: Made,
}

/// Reads the user's settings, without a call.
pub(crate) async fn configuration(access: &Access) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        // The engine tries again.
        .retry_config(RetryConfig::disabled())
        .timeout_config(within(CALL));
    if let Some(region) = &access.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = &access.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    keeping_credentials(loader.load().await)
}

/// For a call that may take that long, as an override of a client's configuration.
pub(crate) fn within(time: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_timeout(time)
        .build()
}

/// A field and a method for each API, by the name of its crate and the id of its service.
macro_rules! clients {
    ($($(#[$meta:meta])* $name:ident: $library:ident, $id:literal;)*) => {
        #[derive(Debug, Default)]
        struct Made {
            $($name: OnceLock<$library::Client>,)*
        }

        impl Clients {
            $(
                $(#[$meta])*
                pub(crate) fn $name(&self) -> &$library::Client {
                    self.made.$name.get_or_init(|| $library::Client::new(&self.config))
                }
            )*
        }

        /// The ids of services by the prefix of their actions.
        const SERVICES: &[(&str, &str)] = &[$((stringify!($name), $id),)*];
    };
}

clients! {
    /// Amazon API Gateway, HTTP APIs.
    apigateway: aws_sdk_apigatewayv2, "ApiGatewayV2";
    /// DynamoDB Streams.
    dynamodb: aws_sdk_dynamodbstreams, "DynamoDB Streams";
    /// IAM.
    iam: aws_sdk_iam, "IAM";
    /// Kinesis.
    kinesis: aws_sdk_kinesis, "Kinesis";
    /// Lambda.
    lambda: aws_sdk_lambda, "Lambda";
    /// CloudWatch Logs.
    logs: aws_sdk_cloudwatchlogs, "CloudWatch Logs";
    /// EventBridge Scheduler.
    scheduler: aws_sdk_scheduler, "Scheduler";
    /// Secrets Manager.
    secretsmanager: aws_sdk_secretsmanager, "Secrets Manager";
    /// SNS.
    sns: aws_sdk_sns, "SNS";
    /// SQS.
    sqs: aws_sdk_sqs, "SQS";
    /// STS.
    sts: aws_sdk_sts, "STS";
}

impl Clients {
    /// With a configuration of [`configuration`].
    pub(crate) fn new(config: SdkConfig) -> Self {
        Self {
            config,
            s3: OnceLock::new(),
            made: Made::default(),
        }
    }

    /// S3. Its own endpoints have the bucket in the host name; others have it in the path, as
    /// nobody makes names for them.
    pub(crate) fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3.get_or_init(|| {
            let config = aws_sdk_s3::config::Builder::from(&self.config)
                .force_path_style(self.other_endpoint("S3").is_some());
            aws_sdk_s3::Client::from_conf(config.build())
        })
    }

    /// For those who make calls without a client.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Where a service is that no client knows here, by its id and the name of its endpoint.
    pub(crate) fn url(&self, id: &str, host: &str, partition: &str) -> String {
        let region = self.config.region().map_or("", Region::as_ref);
        let domain = match partition {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        };
        let own = || format!("https://{host}.{region}.{domain}");
        self.other_endpoint(id).unwrap_or_else(own)
    }

    /// Host and port that the calls of a service go to, by the prefix of its actions.
    pub(crate) fn endpoint(&self, prefix: &str) -> String {
        let mut known = SERVICES.iter();
        let id = known.find(|(name, _)| *name == prefix);
        let id = match (id, prefix) {
            (Some((_, id)), _) => (*id).to_owned(),
            (None, "cloudwatch") => "CloudWatch".to_owned(),
            (None, prefix) => prefix.to_uppercase(),
        };
        if let Some(url) = self.other_endpoint(&id) {
            let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
            return host.trim_end_matches('/').to_owned();
        }
        let region = self.config.region().map_or("", Region::as_ref);
        format!("{prefix}.{region}.amazonaws.com")
    }

    /// Where a service is, if not where AWS has it.
    fn other_endpoint(&self, service_id: &str) -> Option<String> {
        let key = ServiceConfigKey::builder()
            .service_id(service_id)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        let set = self.config.service_config();
        let set = set.and_then(|settings| settings.load_config(key));
        // What the program says is stronger than the environment.
        if self.config.get_origin("endpoint_url").is_client_config() {
            return self.config.endpoint_url().map(str::to_owned);
        }
        set.or_else(|| self.config.endpoint_url().map(str::to_owned))
    }
}
