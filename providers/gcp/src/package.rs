//! How a package looks on Google Cloud: the shim as `bootstrap`, and the Python files by which a
//! function becomes it.
//!
//! Cloud Functions knows no runtime for binaries. It starts a Python function, whose first lines
//! put the shim in its place. With `PYTHONPATH` set to the package, Python reads `sitecustomize.py`
//! before anything else, which costs a tenth of what the functions framework costs to load;
//! `main.py` is what the build asks for, and works without that variable. Cloud Run starts the
//! shim itself and does not look at the Python files.

use std::collections::BTreeMap;

use mlfn_core::{
    ArchiveFormat, Function, GcpEngine, LibcLimit, PackageFile, PackageSpec, RouteSpec, Service,
    Target,
};
use mlfn_templates::gcp::{self, Boot, Main, Requirements, Site};

use crate::limits;

/// The shim in the package.
const PROGRAM: &str = "bootstrap";

/// The Python function that a deploy has to name.
pub const ENTRY_POINT: &str = "handler";

/// The layout of the package of `function`.
pub fn package(service: &Service, function: &Function) -> PackageSpec {
    let (formats, name, libc, route) = match function.gcp.engine {
        GcpEngine::Functions => (
            vec![ArchiveFormat::Zip, ArchiveFormat::TarGz],
            "Google python313, Ubuntu 22.04",
            UBUNTU_22,
            SOURCE_ZIP,
        ),
        GcpEngine::CloudRun => (
            vec![ArchiveFormat::TarGz, ArchiveFormat::Zip],
            "Google osonly24, Ubuntu 24.04",
            UBUNTU_24,
            NO_BUILD_ARCHIVE,
        ),
    };
    PackageSpec {
        formats,
        target: Target {
            name,
            architecture: function.architecture,
            libc,
        },
        shim: PROGRAM.to_owned(),
        files: launcher(service),
        // Cloud Scheduler sends the input itself.
        schedules: BTreeMap::new(),
        shares_library: false,
        // Google's front ends pass the questions of browsers on.
        tells_browsers: true,
        // Pub/Sub pushes each message by itself.
        record_batches: false,
        routes: vec![route],
        max_request: limits::MAX_REQUEST,
        max_response: limits::MAX_RESPONSE,
    }
}

/// Ubuntu 22.04 has glibc 2.35 and updates libstdc++ to that of GCC 12, `GLIBCXX_3.4.30`.
const UBUNTU_22: LibcLimit = LibcLimit {
    glibc: (2, 35),
    glibcxx: (3, 4, 30),
};

/// Ubuntu 24.04 has glibc 2.39 and the libstdc++ of GCC 14, `GLIBCXX_3.4.33`.
const UBUNTU_24: LibcLimit = LibcLimit {
    glibc: (2, 39),
    glibcxx: (3, 4, 33),
};

/// No limit is documented for the second generation (Cloud Run functions, "Quotas"). The files
/// become part of a container's image, which is not counted against the instance's memory.
const SOURCE_ZIP: RouteSpec = RouteSpec {
    name: "source zip",
    max_packed: None,
    max_unpacked: None,
    max_fetched: None,
};

const NO_BUILD_ARCHIVE: RouteSpec = RouteSpec {
    name: "no-build archive",
    max_packed: Some(limits::NO_BUILD_ARCHIVE),
    max_unpacked: None,
    max_fetched: None,
};

/// The Python files, the same for all functions of a service.
fn launcher(service: &Service) -> Vec<PackageFile> {
    let boot = Boot {
        program: PROGRAM.to_owned(),
    };
    let main = Main {
        entry_point: ENTRY_POINT.to_owned(),
    };
    let requirements = Requirements {
        service: service.name.to_string(),
    };
    let files = [
        ("main.py", gcp::MAIN.text(&main)),
        ("mlfn_boot.py", gcp::BOOT.text(&boot)),
        ("requirements.txt", gcp::REQUIREMENTS.text(&requirements)),
        ("sitecustomize.py", gcp::SITE.text(&Site {})),
    ];
    let file = |(path, contents): (&str, String)| PackageFile {
        path: path.to_owned(),
        contents,
    };
    files.into_iter().map(file).collect()
}
