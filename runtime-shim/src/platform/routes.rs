//! Which paths and methods a function answers.

use mlfn_shim_contract::ShimConfig;

use crate::codec::failure::{Code, Failure, list};

/// Why a path or method is not answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Why.
    pub(crate) failure: Failure,
    /// The value of the header `allow`, if only the method is wrong.
    pub(crate) allow: Option<String>,
}

/// Whether one of the function's routes is for this method and path. A function without routes
/// answers every path.
pub(crate) fn check(config: &ShimConfig, method: &str, path: &str) -> Result<(), Refusal> {
    let path = match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    if config.routes.is_empty() {
        return Ok(());
    }
    let of_path = config.routes.iter().filter(|route| route.path == path);
    let methods: Vec<&str> = of_path.map(|route| route.method.as_str()).collect();
    if methods
        .iter()
        .any(|allowed| *allowed == "ANY" || *allowed == method)
    {
        return Ok(());
    }
    if methods.is_empty() {
        let routes = config.routes.iter();
        let routes = routes.map(|route| format!("{} {}", route.method, route.path));
        let message = format!(
            "there is nothing at `{path}`; the function answers {}",
            list(routes)
        );
        return Err(Refusal {
            failure: Failure::new(Code::NotFound, message),
            allow: None,
        });
    }
    let allow = methods.join(", ");
    let message = format!("`{path}` does not answer {method}; use {allow}");
    Err(Refusal {
        failure: Failure::new(Code::MethodNotAllowed, message),
        allow: Some(allow),
    })
}
