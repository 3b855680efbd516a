//! What a path means: the protocol of <https://github.com/kserve/open-inference-protocol> has some
//! of its own, and so has the description of the function.

use mlfn_shim_contract::ShimConfig;

use crate::codec::failure::{Code, Failure, shortened};
use crate::platform::routes::{self, Refusal};

/// Where the description of the function is.
const OPENAPI: &str = "/openapi.json";

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A prediction, in the simple format.
    Predict,
    /// A prediction, in the Open Inference Protocol.
    Infer,
    /// What the server is.
    Server,
    /// Whether the process lives.
    Live,
    /// Whether it can predict.
    Ready,
    /// What the model takes and answers.
    Model,
    /// Whether the model is loaded.
    ModelReady,
    /// The description of the function.
    OpenApi,
}

impl Target {
    /// Whether it is of the Open Inference Protocol.
    pub(crate) fn is_open(self) -> bool {
        !matches!(self, Self::Predict | Self::OpenApi)
    }

    /// What a request is for. The manifest's routes come first.
    pub(crate) fn of(config: &ShimConfig, method: &str, path: &str) -> Result<Self, Refusal> {
        let is_route = |route: &mlfn_shim_contract::Route| route.path == path;
        if config.routes.iter().any(is_route) {
            return routes::check(config, method, path).map(|()| Self::Predict);
        }
        if path == OPENAPI {
            return allow(Self::OpenApi, method);
        }
        match path.strip_prefix("/v2") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                let target = open(config, rest).ok_or_else(|| nothing(config, path))?;
                allow(target, method)
            }
            _ => routes::check(config, method, path).map(|()| Self::Predict),
        }
    }
}

/// Whether a path is one of the Open Inference Protocol, whatever it leads to.
pub(crate) fn is_open(path: &str) -> bool {
    path.strip_prefix("/v2")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What follows `/v2`.
fn open(config: &ShimConfig, rest: &str) -> Option<Target> {
    let words: Vec<&str> = rest.split('/').filter(|word| !word.is_empty()).collect();
    let rest = match words.as_slice() {
        [] => return Some(Target::Server),
        ["health", "live"] => return Some(Target::Live),
        ["health", "ready"] => return Some(Target::Ready),
        ["models", name, rest @ ..] if *name == config.function => rest,
        _ => return None,
    };
    let rest = match rest {
        ["versions", version, rest @ ..] if *version == config.model_sha256 => rest,
        rest => rest,
    };
    match rest {
        [] => Some(Target::Model),
        ["ready"] => Some(Target::ModelReady),
        ["infer"] => Some(Target::Infer),
        _ => None,
    }
}

fn allow(target: Target, method: &str) -> Result<Target, Refusal> {
    let allowed = match target {
        Target::Infer => ["POST"].as_slice(),
        _ => &["GET", "HEAD"],
    };
    if allowed.contains(&method) {
        return Ok(target);
    }
    let allow = allowed.join(", ");
    let message = format!("{method} is not answered here; use {allow}");
    Err(Refusal {
        failure: Failure::new(Code::MethodNotAllowed, message),
        allow: Some(allow),
    })
}

fn nothing(config: &ShimConfig, path: &str) -> Refusal {
    let (path, function) = (shortened(path), &config.function);
    let message = format!(
        "there is nothing at `{path}`; the model is at `/v2/models/{function}`, and its version is \
         `{}`",
        config.model_sha256
    );
    Refusal {
        failure: Failure::new(Code::NotFound, message),
        allow: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, expected: Result<Target, &str>) {
        let config = crate::handler::tests::config();
        let found = Target::of(&config, method, path).map_err(|refusal| {
            let allow = refusal.allow.unwrap_or_default();
            format!("{} {allow}", refusal.failure.code.status())
        });
        assert_eq!(found, expected.map_err(str::to_owned), "{method} {path}");
    }

    #[test]
    fn paths_of_the_protocol_are_known_and_others_are_the_functions() {
        check("GET", "/v2", Ok(Target::Server));
        check("GET", "/v2/", Ok(Target::Server));
        check("HEAD", "/v2/health/live", Ok(Target::Live));
        check("GET", "/v2/health/ready", Ok(Target::Ready));
        check("GET", "/v2/models/function", Ok(Target::Model));
        check("GET", "/v2/models/function/versions/00", Ok(Target::Model));
        check("GET", "/v2/models/function/ready", Ok(Target::ModelReady));
        check("POST", "/v2/models/function/infer", Ok(Target::Infer));
        check(
            "POST",
            "/v2/models/function/versions/00/infer",
            Ok(Target::Infer),
        );
        check("GET", "/openapi.json", Ok(Target::OpenApi));
        check("POST", "/predict", Ok(Target::Predict));
        check("GET", "/v2/models/function/infer", Err("405 POST"));
        check("POST", "/v2", Err("405 GET, HEAD"));
        check("GET", "/v2/models/other", Err("404 "));
        check("GET", "/v2/models/function/versions/1", Err("404 "));
        check("GET", "/v2/health", Err("404 "));
        check("GET", "/v22", Err("404 "));
    }
}
