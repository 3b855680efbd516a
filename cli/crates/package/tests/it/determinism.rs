//! The same input, the same bytes: on any day, in any folder.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use crate::support::{Project, digests, noise};

fn project() -> Project {
    let project = Project::new(&["a.bin", "b.bin"])
        .file("host.json", "{}")
        .file("x/y.json", "[]");
    project.write("a.bin", &noise(1_200_000, 1));
    project.write("b.bin", &b"weights ".repeat(200_000));
    project
}

#[test]
fn another_folder_day_mode_and_order_give_the_same_bytes() {
    let one = project();
    let mut two = project();
    two.cloud.files.reverse();
    for name in ["a.bin", "b.bin", "model.onnx", "library.so"] {
        let path = two.path(name);
        fs_err::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
        let file = fs_err::OpenOptions::new()
            .append(true)
            .open(&path)
            .expect("opens");
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        file.file().set_modified(long_ago).expect("a time");
    }
    assert_eq!(digests(&one.build()), digests(&two.build()));
}
