//! What commit and what branch are checked out, read from the files of a git repository.
//!
//! The layout is that of gitrepository-layout(5). Reading four small files is quicker than
//! starting git, and works where git is not installed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// Longer than any path or commit id.
const LONGEST_LINE: u64 = 8192;

/// A checked-out repository.
pub(super) struct Repository {
    /// Where `HEAD` is.
    folder: PathBuf,
    /// Where the branches are: elsewhere if this is an additional working tree.
    common: PathBuf,
}

impl Repository {
    /// The repository that `folder` is in.
    pub(super) fn around(folder: &Path) -> Option<Self> {
        let folder = fs_err::canonicalize(folder).ok()?;
        let dot_git = folder
            .ancestors()
            .map(|above| above.join(".git"))
            .find(|path| path.exists())?;
        let folder = if dot_git.is_dir() {
            dot_git
        } else {
            linked(&dot_git)?
        };
        let common = match first_line(&folder.join("commondir")) {
            Some(relative) => folder.join(relative),
            None => folder.clone(),
        };
        Some(Self { folder, common })
    }

    /// The full id of the commit, in hexadecimal.
    pub(super) fn commit(&self) -> Option<String> {
        let head = first_line(&self.folder.join("HEAD"))?;
        match head.strip_prefix("ref: ") {
            Some(reference) => self.resolve(reference),
            None => Some(head).filter(|text| is_commit(text)),
        }
    }

    /// The branch; none if a commit is checked out without one.
    pub(super) fn branch(&self) -> Option<String> {
        let head = first_line(&self.folder.join("HEAD"))?;
        head.strip_prefix("ref: refs/heads/").map(str::to_owned)
    }

    fn resolve(&self, reference: &str) -> Option<String> {
        if !reference.starts_with("refs/") || reference.contains("..") {
            return None;
        }
        let loose = first_line(&self.common.join(reference)).filter(|text| is_commit(text));
        loose.or_else(|| self.resolve_packed(reference))
    }

    /// Lines of `packed-refs` are `<commit> <reference>`.
    fn resolve_packed(&self, reference: &str) -> Option<String> {
        let file = fs_err::File::open(self.common.join("packed-refs")).ok()?;
        BufReader::new(file)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let (commit, name) = line.split_once(' ')?;
                (name == reference && is_commit(commit)).then(|| commit.to_owned())
            })
    }
}

/// `.git` of a submodule or an additional working tree is a file that says `gitdir: <folder>`.
fn linked(dot_git: &Path) -> Option<PathBuf> {
    let line = first_line(dot_git)?;
    let target = line.strip_prefix("gitdir: ")?;
    Some(dot_git.parent()?.join(target))
}

fn first_line(path: &Path) -> Option<String> {
    let mut line = String::new();
    let file = fs_err::File::open(path).ok()?.take(LONGEST_LINE);
    BufReader::new(file).read_line(&mut line).ok()?;
    Some(line.trim_end().to_owned()).filter(|line| !line.is_empty())
}

/// 40 digits for SHA-1, 64 for SHA-256.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    /// A folder with these files in it.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs_err::write(path, text).expect("a file");
        }
        folder
    }

    #[track_caller]
    fn check(folder: &Path, commit: Option<&str>, branch: Option<&str>) {
        let repository = Repository::around(folder).expect("a repository");
        assert_eq!(repository.commit().as_deref(), commit);
        assert_eq!(repository.branch().as_deref(), branch);
    }

    #[test]
    fn a_branch_is_a_file_or_a_packed_line() {
        let head = (".git/HEAD", "ref: refs/heads/feature/x\n");
        let loose = folder(&[head, (".git/refs/heads/feature/x", COMMIT)]);
        check(loose.path(), Some(COMMIT), Some("feature/x"));
        let packed = format!("# pack-refs with: peeled\n{COMMIT} refs/heads/feature/x\n");
        let packed = folder(&[head, (".git/packed-refs", &packed)]);
        check(packed.path(), Some(COMMIT), Some("feature/x"));
    }

    #[test]
    fn a_detached_head_has_a_commit_and_no_branch() {
        let folder = folder(&[(".git/HEAD", COMMIT), ("deep/below/x", "")]);
        check(&folder.path().join("deep/below"), Some(COMMIT), None);
    }

    #[test]
    fn a_repository_without_commits_has_a_branch_only() {
        let folder = folder(&[(".git/HEAD", "ref: refs/heads/main\n")]);
        check(folder.path(), None, Some("main"));
    }

    #[test]
    fn a_working_tree_finds_the_branches_of_its_repository() {
        let folder = folder(&[
            ("main/.git/refs/heads/x", COMMIT),
            ("main/.git/worktrees/w/HEAD", "ref: refs/heads/x\n"),
            ("main/.git/worktrees/w/commondir", "../..\n"),
            ("w/.git", "gitdir: ../main/.git/worktrees/w\n"),
        ]);
        check(&folder.path().join("w"), Some(COMMIT), Some("x"));
    }

    #[test]
    fn a_reference_cannot_leave_the_repository() {
        let folder = folder(&[
            (".git/HEAD", "ref: refs/../../secret\n"),
            ("secret", COMMIT),
        ]);
        check(folder.path(), None, None);
    }
}
