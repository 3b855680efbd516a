//! "Did you mean": the nearest of the words that would have been right.

/// The candidate that is most like `word`, if one is like it at all.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = normal(word);
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &normal(candidate)),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What other tools call it -> what we call it.
const SYNONYMS: [(&str, &str); 30] = [
    ("aarch64", "arm64"),
    ("amd64", "x86_64"),
    ("api", "http"),
    ("arch", "architecture"),
    ("batchsize", "batch"),
    ("blob", "storage"),
    ("bucketname", "bucket"),
    ("env", "environment"),
    ("environmentvariables", "environment"),
    ("event", "triggers"),
    ("events", "triggers"),
    ("file", "path"),
    ("functions", "models"),
    ("google", "gcp"),
    ("httpapi", "http"),
    ("interval", "every"),
    ("kafka", "stream"),
    ("lambda", "aws"),
    ("memorysize", "memory"),
    ("model", "path"),
    ("name", "service"),
    ("project", "service"),
    ("pubsub", "topic"),
    ("rate", "every"),
    ("s3", "storage"),
    ("sns", "topic"),
    ("sqs", "queue"),
    ("variables", "environment"),
    ("version", "mlfn"),
    ("x86", "x86_64"),
];

/// What users of other tools mean by `word`, if it is one of the candidates.
pub(crate) fn synonym(word: &str, candidates: &[&str]) -> Option<&'static str> {
    let word = normal(word);
    let (_, ours) = SYNONYMS.iter().find(|(theirs, _)| *theirs == word)?;
    candidates.contains(ours).then_some(ours)
}

/// `memorySize`, `memory-size` and `Memory_Size` are the same word. Very long words are cut: the
/// distance takes quadratic time.
fn normal(word: &str) -> String {
    const LONGEST: usize = 64;
    word.chars()
        .take(LONGEST)
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// `` `a`, `b` or `c` ``.
pub(crate) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        let candidates = ["memory", "timeout", "environment", "path"];
        assert_eq!(closest(word, candidates), expected, "{word}");
    }

    #[test]
    fn a_typing_error_finds_its_word() {
        check("memroy", Some("memory"));
        check("Memory", Some("memory"));
        check("time_out", Some("timeout"));
        check("enviroment", Some("environment"));
        check("pth", Some("path"));
        check("colour", None);
        check("", None);
    }

    #[test]
    fn words_are_listed_as_people_write_them() {
        assert_eq!(list(&["a"]), "`a`");
        assert_eq!(list(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
