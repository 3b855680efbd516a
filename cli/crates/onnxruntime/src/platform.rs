//! The platforms that a library can be had for, and where it comes from.

use std::env::consts;
use std::fmt;

use crate::error::FetchError;

/// A platform that a library can be had for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Linux on Intel and AMD, with glibc 2.28 or newer.
    LinuxX86_64,
    /// Linux on ARM, 64 bit, with glibc 2.28 or newer.
    LinuxAarch64,
    /// macOS 14 or newer on Apple silicon: for local use, no cloud runs it.
    MacosArm64,
}

/// Where the library of a platform comes from. The digests make sure that it is the one that we
/// tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// Of ONNX Runtime.
    pub version: &'static str,
    /// The wheel's platform, as `pip download --platform` wants it.
    pub pip_platform: &'static str,
    /// The same for `uv pip install --python-platform`.
    pub uv_platform: &'static str,
    /// Of the wheel.
    pub wheel_sha256: &'static str,
    /// The library's path in the wheel.
    pub member: &'static str,
    /// Of the library.
    pub library_sha256: &'static str,
    /// The size of the library.
    pub library_bytes: u64,
    /// The name that the library gets in the cache.
    pub file_name: &'static str,
}

/// The official wheels of `onnxruntime` for `CPython` 3.12, by the digests that the package index
/// states. The library in them does not depend on Python.
const PINS: [(Platform, Pin); 3] = [
    (
        Platform::LinuxX86_64,
        Pin {
            version: "1.31.1",
            pip_platform: "manylinux_2_28_x86_64",
            uv_platform: "x86_64-manylinux_2_28",
            wheel_sha256: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
            member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
            library_sha256: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
            library_bytes: 29_352_200,
            file_name: "libonnxruntime.so",
        },
    ),
    (
        Platform::LinuxAarch64,
        Pin {
            version: "1.31.1",
            pip_platform: "manylinux_2_28_aarch64",
            uv_platform: "aarch64-manylinux_2_28",
            wheel_sha256: "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
            member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
            library_sha256: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
            library_bytes: 25_265_040,
            file_name: "libonnxruntime.so",
        },
    ),
    (
        Platform::MacosArm64,
        Pin {
            version: "1.31.1",
            pip_platform: "macosx_14_0_arm64",
            uv_platform: "aarch64-apple-darwin",
            wheel_sha256: "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c",
            member: "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
            library_sha256: "d586cbe89effc085a09d3341b3cfbd5c322517f9d397aeb20814af21433f2b36",
            library_bytes: 33_037_336,
            file_name: "libonnxruntime.dylib",
        },
    ),
];

impl Platform {
    /// Of the machine that this program runs on.
    pub fn host() -> Result<Self, FetchError> {
        match (consts::OS, consts::ARCH) {
            ("linux", "x86_64") => Ok(Self::LinuxX86_64),
            ("linux", "aarch64") => Ok(Self::LinuxAarch64),
            ("macos", "aarch64") => Ok(Self::MacosArm64),
            (system, architecture) => Err(FetchError::UnsupportedPlatform {
                name: format!("{system} on {architecture}"),
            }),
        }
    }

    /// Of a cloud's machines with that architecture: `x86_64` or `arm64`, by any of their names.
    pub fn for_architecture(architecture: &str) -> Result<Self, FetchError> {
        match architecture {
            "x86_64" | "amd64" => Ok(Self::LinuxX86_64),
            "arm64" | "aarch64" => Ok(Self::LinuxAarch64),
            other => Err(FetchError::UnsupportedPlatform {
                name: format!("linux on {other}"),
            }),
        }
    }

    /// The name in paths and messages, e.g. `linux-x86_64`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LinuxX86_64 => "linux-x86_64",
            Self::LinuxAarch64 => "linux-aarch64",
            Self::MacosArm64 => "macos-arm64",
        }
    }

    /// Where its library comes from.
    pub fn pin(self) -> &'static Pin {
        match self {
            Self::LinuxX86_64 => &PINS[0].1,
            Self::LinuxAarch64 => &PINS[1].1,
            Self::MacosArm64 => &PINS[2].1,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_has_a_whole_pin_of_its_own() {
        for (platform, pin) in &PINS {
            assert_eq!(platform.pin(), pin, "{platform}");
            assert_eq!(pin.wheel_sha256.len(), 64);
            assert_eq!(pin.library_sha256.len(), 64);
            assert!(pin.member.contains(pin.version));
            assert_eq!(pin.version, PINS[0].1.version, "one version for all");
        }
        assert_ne!(PINS[0].1.wheel_sha256, PINS[1].1.wheel_sha256);
        assert_ne!(PINS[0].1.library_sha256, PINS[1].1.library_sha256);
    }

    #[test]
    fn architectures_are_known_by_all_their_names() {
        let name = |text| Platform::for_architecture(text).map(Platform::as_str);
        assert_eq!(name("x86_64").expect("known"), "linux-x86_64");
        assert_eq!(name("amd64").expect("known"), "linux-x86_64");
        assert_eq!(name("arm64").expect("known"), "linux-aarch64");
        assert_eq!(name("aarch64").expect("known"), "linux-aarch64");
        let error = name("riscv64").expect_err("unknown");
        assert!(error.to_string().contains("linux on riscv64"), "{error}");
    }
}
