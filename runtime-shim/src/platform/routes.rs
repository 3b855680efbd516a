//! Which paths and methods a function answers.

use mlfn_shim_contract::ShimConfig;

use crate::codec::failure::{Code, Failure, list, shortened};

/// Why a path or method is not answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Why.
    pub(crate) failure: Failure,
    /// The value of the header `allow`, if only the method is wrong.
    pub(crate) allow: Option<String>,
}

/// The path as routes have it, without slashes at its end.
pub(crate) fn normal(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    }
}

/// Whether one of the function's routes is for this method and path. A function without routes
/// answers every path.
pub(crate) fn check(config: &ShimConfig, method: &str, path: &str) -> Result<(), Refusal> {
    let path = normal(path);
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
        let path = shortened(path);
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

#[cfg(test)]
mod tests {
    use mlfn_shim_contract::Route;

    use super::*;

    #[track_caller]
    fn check_routes(routes: &[(&str, &str)], request: (&str, &str), expected: Result<(), &str>) {
        let routes = routes.iter().map(|(method, path)| Route {
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            cors: Vec::new(),
        });
        let config = ShimConfig {
            routes: routes.collect(),
            ..crate::handler::tests::config()
        };
        let found = check(&config, request.0, request.1).map_err(|refusal| {
            let allow = refusal.allow.unwrap_or_default();
            format!("{} {allow}", refusal.failure.code.status())
        });
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn routes_are_matched_by_method_and_path() {
        let routes = [("POST", "/predict"), ("PUT", "/predict"), ("ANY", "/any")];
        check_routes(&routes, ("POST", "/predict"), Ok(()));
        check_routes(&routes, ("POST", "/predict/"), Ok(()));
        check_routes(&routes, ("DELETE", "/any"), Ok(()));
        check_routes(&routes, ("GET", "/predict"), Err("405 POST, PUT"));
        check_routes(&routes, ("POST", "/"), Err("404 "));
        check_routes(&routes, ("POST", "/predict/more"), Err("404 "));
        check_routes(&[], ("POST", "/whatever"), Ok(()));
    }
}
