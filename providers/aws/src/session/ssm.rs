//! Systems Manager, of which one call is needed.

use mlfn_core::ProviderError;
use serde_json::json;

use super::context::Context;
use super::signed::{Service, call};

const SSM: Service = Service {
    id: "SSM",
    host: "ssm",
    target: "AmazonSSM",
    content_type: "application/x-amz-json-1.1",
};

/// Whether there is a parameter of that name, without a look at its value.
pub(super) async fn has_parameter(context: &Context, name: &str) -> Result<bool, ProviderError> {
    let filter = json!({"Key": "Name", "Option": "Equals", "Values": [name]});
    let input = json!({"ParameterFilters": [filter]});
    let answer = call(context, &SSM, "DescribeParameters", &input).await;
    let answer = answer.map_err(context.failed("ssm:DescribeParameters", name))?;
    let parameters = answer["Parameters"].as_array();
    let mut names = parameters.into_iter().flatten().map(|one| &one["Name"]);
    Ok(names.any(|found| found == name))
}
