//! Which route of a table a request takes, as HTTP APIs choose
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>):
//! a path without variables before one with, that before a greedy one, a method before `ANY`, and
//! `$default` last.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// A route that a request takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken<T> {
    pub(super) route: T,
    /// What varies in the path, by name.
    pub(super) parameters: BTreeMap<String, String>,
}

/// The best of the routes with these keys, e.g. `POST /predict`, for a request.
pub(super) fn choose<'a, T>(
    routes: impl Iterator<Item = (&'a str, T)>,
    method: &str,
    path: &str,
) -> Option<Taken<T>> {
    let fitting = routes.filter_map(|(key, route)| {
        let (rank, parameters) = fit(key, method, path)?;
        Some((rank, Taken { route, parameters }))
    });
    fitting
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, taken)| taken)
}

/// How good a route is: greedy variables, variables, `ANY`; and the variables' values.
type Fit = ((u32, u32, bool), BTreeMap<String, String>);

fn fit(key: &str, method: &str, path: &str) -> Option<Fit> {
    if key == "$default" {
        return Some(((u32::MAX, 0, true), BTreeMap::new()));
    }
    let (wanted, pattern) = key.split_once(' ')?;
    let is_any = wanted == "ANY";
    if !is_any && wanted != method {
        return None;
    }
    let (greedy, parameters) = steps(pattern, path)?;
    let count = u32::try_from(parameters.len()).ok()?;
    Some(((u32::from(greedy), count, is_any), parameters))
}

/// Whether the last variable is greedy, and the variables' values.
fn steps(pattern: &str, path: &str) -> Option<(bool, BTreeMap<String, String>)> {
    let mut parameters = BTreeMap::new();
    let mut rest = path.strip_prefix('/')?;
    let mut pattern = pattern.strip_prefix('/')?.split('/').peekable();
    while let Some(step) = pattern.next() {
        let name = step
            .strip_prefix('{')
            .and_then(|step| step.strip_suffix('}'));
        if let Some(name) = name.and_then(|name| name.strip_suffix('+')) {
            parameters.insert(name.to_owned(), decoded(rest));
            return (!rest.is_empty()).then_some((true, parameters));
        }
        let is_last = pattern.peek().is_none();
        let (found, after) = match (rest.split_once('/'), is_last) {
            (Some((found, after)), false) => (found, after),
            (None, true) => (rest, ""),
            _ => return None,
        };
        match name {
            Some(name) if !found.is_empty() => drop(parameters.insert(name.into(), decoded(found))),
            None if step == found => (),
            _ => return None,
        }
        rest = after;
    }
    Some((false, parameters))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 8] = [
        "$default",
        "ANY /pets",
        "POST /pets",
        "POST /pets/{id}",
        "POST /pets/dog",
        "ANY /pets/{rest+}",
        "GET /pets/{rest+}",
        "GET /",
    ];

    #[track_caller]
    fn check(method: &str, path: &str, expected: &str, parameters: &[(&str, &str)]) {
        let taken = choose(KEYS.iter().map(|key| (*key, *key)), method, path);
        let taken = taken.expect("there is `$default`");
        let parameters = parameters
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        assert_eq!(taken.route, expected, "{method} {path}");
        assert_eq!(taken.parameters, parameters.collect(), "{method} {path}");
    }

    #[test]
    fn the_most_exact_route_wins() {
        check("POST", "/pets", "POST /pets", &[]);
        check("GET", "/pets", "ANY /pets", &[]);
        check("POST", "/pets/dog", "POST /pets/dog", &[]);
        check("POST", "/pets/a%20b", "POST /pets/{id}", &[("id", "a b")]);
        check("GET", "/pets/a/b", "GET /pets/{rest+}", &[("rest", "a/b")]);
        check("PUT", "/pets/a/b", "ANY /pets/{rest+}", &[("rest", "a/b")]);
        check("GET", "/", "GET /", &[]);
        check("POST", "/", "$default", &[]);
        check("POST", "/pets/", "$default", &[]);
        check("POST", "/cars", "$default", &[]);
    }

    #[test]
    fn without_a_default_there_may_be_no_route() {
        let only = [("POST /pets", 1)];
        assert_eq!(choose(only.into_iter(), "POST", "/cats"), None);
        assert_eq!(choose(only.into_iter(), "GET", "/pets"), None);
    }
}
