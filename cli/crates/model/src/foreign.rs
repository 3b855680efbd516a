//! What a file may be instead of ONNX, told by its first bytes, else by its name.

use std::fmt;
use std::path::Path;

/// What a file may be instead of ONNX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Python objects: scikit-learn and everything that `joblib` or `pickle` wrote.
    Pickle,
    /// `PyTorch`: `torch.save`.
    PyTorch,
    /// `PyTorch`: `torch.jit.save`.
    TorchScript,
    /// `PyTorch`: `torch.export.save`.
    TorchExport,
    /// TensorFlow: the folder that `tf.saved_model.save` writes.
    SavedModel,
    /// TensorFlow: a frozen graph, or the file inside a `SavedModel` folder.
    TensorFlow,
    /// Keras 3.
    Keras,
    /// HDF5, the older file of Keras.
    Hdf5,
    /// TensorFlow Lite.
    TfLite,
    /// `XGBoost`, as JSON, UBJSON or its older binary form.
    XgBoost,
    /// `LightGBM`'s text.
    LightGbm,
    /// `CatBoost`.
    CatBoost,
    /// Weights without a graph, as Hugging Face stores them.
    Safetensors,
    /// Weights for llama.cpp.
    Gguf,
    /// Core ML.
    CoreMl,
    /// Predictive Model Markup Language.
    Pmml,
    /// `OpenVINO`'s graph.
    OpenVino,
    /// `PaddlePaddle`.
    Paddle,
    /// ONNX Runtime's own format.
    Ort,
    /// ONNX written as text.
    OnnxText,
    /// What git has instead of the file.
    LfsPointer,
    /// A web page.
    Html,
    /// XML of some other kind.
    Xml,
    /// JSON of some other kind.
    Json,
    /// A Jupyter notebook.
    Notebook,
    /// A program in Python.
    Python,
    /// Text of some other kind.
    Text,
    /// A gzip archive.
    Gzip,
    /// A zip archive of some other kind.
    Zip,
    /// A tar archive.
    Tar,
}

/// The beginning and the end of a file, and its name.
pub(crate) struct Sample<'a> {
    pub(crate) path: &'a Path,
    pub(crate) bytes: u64,
    pub(crate) head: &'a [u8],
    pub(crate) tail: &'a [u8],
}

type Test = fn(&Sample<'_>) -> bool;

/// By content. None of these bytes begins an ONNX file. The first match counts.
const BY_CONTENT: [(Format, Test); 27] = [
    (Format::LfsPointer, |s| s.starts("version https://git-lfs")),
    (Format::PyTorch, |s| s.is_legacy_torch()),
    (Format::Pickle, |s| s.is_pickle()),
    (Format::TorchExport, |s| {
        s.is_zip() && s.has("archive_format") && s.has("models/")
    }),
    (Format::TorchScript, |s| {
        s.is_zip() && s.has("data.pkl") && s.has("constants.pkl")
    }),
    (Format::PyTorch, |s| s.is_zip() && s.has("data.pkl")),
    (Format::Keras, |s| s.is_zip() && s.has(".weights.h5")),
    (Format::Zip, |s| s.is_zip()),
    (Format::Pickle, |s| {
        s.is_gzip() && by_name(s.path) == Some(Format::Pickle)
    }),
    (Format::Gzip, |s| s.is_gzip()),
    (Format::Pickle, |s| s.is_bzip2()),
    (Format::Hdf5, |s| s.head.starts_with(b"\x89HDF\r\n\x1a\n")),
    (Format::TfLite, |s| s.head.get(4..8) == Some(b"TFL3")),
    (Format::Ort, |s| s.head.get(4..8) == Some(b"ORTM")),
    (Format::Gguf, |s| s.starts("GGUF")),
    (Format::CatBoost, |s| s.starts("CBM1")),
    (Format::XgBoost, |s| s.starts("binf")),
    (Format::LightGbm, |s| {
        s.starts("tree\n") || s.starts("tree\r\n")
    }),
    (Format::Safetensors, |s| s.is_safetensors()),
    (Format::XgBoost, |s| s.is_json() && s.has("learner")),
    (Format::Notebook, |s| s.is_json() && s.has("\"nbformat\"")),
    (Format::Json, |s| s.is_json() && is_text(s.head)),
    (Format::Pmml, |s| s.is_markup() && s.has("<PMML")),
    (Format::OpenVino, |s| s.is_markup() && s.has("<net ")),
    (Format::Html, |s| s.is_markup() && s.has_html()),
    (Format::Xml, |s| s.text().starts_with("<?xml")),
    (Format::OnnxText, |s| s.text().starts_with("ir_version")),
];

/// By content, but not for sure: asked after the file has proved to be no model.
const BY_CONTENT_LATE: [(Format, Test); 3] = [
    (Format::Tar, |s| s.head.get(257..262) == Some(b"ustar")),
    (Format::Pickle, |s| s.is_compressed()),
    (Format::TensorFlow, |s| {
        s.has("Placeholder") || s.has("saved_model_main_op")
    }),
];

/// By the ending of the name, asked last.
const BY_NAME: [(&str, Format); 23] = [
    ("pkl", Format::Pickle),
    ("pickle", Format::Pickle),
    ("joblib", Format::Pickle),
    ("sav", Format::Pickle),
    ("pt", Format::PyTorch),
    ("pth", Format::PyTorch),
    ("ckpt", Format::PyTorch),
    ("pt2", Format::TorchExport),
    ("pb", Format::TensorFlow),
    ("keras", Format::Keras),
    ("h5", Format::Hdf5),
    ("hdf5", Format::Hdf5),
    ("tflite", Format::TfLite),
    ("ubj", Format::XgBoost),
    ("cbm", Format::CatBoost),
    ("safetensors", Format::Safetensors),
    ("gguf", Format::Gguf),
    ("mlmodel", Format::CoreMl),
    ("pdmodel", Format::Paddle),
    ("ort", Format::Ort),
    ("textproto", Format::OnnxText),
    ("tgz", Format::Gzip),
    ("py", Format::Python),
];

/// What the content certainly is, if it is not ONNX.
pub(crate) fn certain(sample: &Sample<'_>) -> Option<Format> {
    first(&BY_CONTENT, sample)
}

/// What a file that is no model probably is.
pub(crate) fn probable(sample: &Sample<'_>) -> Option<Format> {
    first(&BY_CONTENT_LATE, sample)
}

/// Text. Short ones can look like a damaged model; a model always has bytes that texts have not.
pub(crate) fn text(sample: &Sample<'_>) -> Option<Format> {
    // A character that is cut off at the end of the head is none that is wrong.
    let is_utf8 =
        std::str::from_utf8(sample.head).map_or_else(|e| e.error_len().is_none(), |_| true);
    (is_utf8 && is_text(sample.head) && is_text(sample.tail)).then_some(Format::Text)
}

/// What the name promises.
pub(crate) fn by_name(path: &Path) -> Option<Format> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    let row = BY_NAME.iter().find(|(known, _)| *known == ending)?;
    Some(row.1)
}

/// What a folder is.
pub(crate) fn folder(path: &Path) -> Option<Format> {
    if path.join("saved_model.pb").is_file() || path.join("saved_model.pbtxt").is_file() {
        return Some(Format::SavedModel);
    }
    let package = path.extension().is_some_and(|e| e == "mlpackage");
    package.then_some(Format::CoreMl)
}

fn first(table: &[(Format, Test)], sample: &Sample<'_>) -> Option<Format> {
    table
        .iter()
        .find(|(_, test)| test(sample))
        .map(|(format, _)| *format)
}

impl Sample<'_> {
    fn starts(&self, text: &str) -> bool {
        self.head.starts_with(text.as_bytes())
    }

    fn has(&self, text: &str) -> bool {
        let has = |bytes: &[u8]| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        has(self.head) || has(self.tail)
    }

    /// The head as text, without what may stand before markup.
    fn text(&self) -> String {
        let head = self.head.get(..512).unwrap_or(self.head);
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        String::from_utf8_lossy(head).trim_start().to_owned()
    }

    /// Protocols 2 to 5 of <https://docs.python.org/3/library/pickle.html>.
    fn is_pickle(&self) -> bool {
        matches!(self.head, [0x80, 2..=5, ..])
    }

    /// `torch.save` before `PyTorch` 1.6: a pickle of the number 0x1950a86a20f9469cfc6c.
    fn is_legacy_torch(&self) -> bool {
        let number = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
        self.is_pickle()
            && self
                .head
                .windows(number.len())
                .take(16)
                .any(|w| w == number)
    }

    /// What joblib writes with `compress="bz2"`.
    fn is_bzip2(&self) -> bool {
        self.starts("BZh") && self.head.get(4..10) == Some(b"1AY&SY")
    }

    /// What joblib writes with `compress=` zlib, xz or lz4.
    fn is_compressed(&self) -> bool {
        let zlib = matches!(self.head, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]);
        let xz = self.head.starts_with(b"\xfd7zXZ\0");
        zlib || xz || self.head.starts_with(b"\x04\x22\x4d\x18")
    }

    fn is_gzip(&self) -> bool {
        self.head.starts_with(b"\x1f\x8b")
    }

    fn is_zip(&self) -> bool {
        self.starts("PK\u{3}\u{4}") || self.starts("PK\u{5}\u{6}")
    }

    /// Eight bytes with the length of the JSON that follows:
    /// <https://github.com/huggingface/safetensors#format>.
    fn is_safetensors(&self) -> bool {
        let Some((length, rest)) = self.head.split_first_chunk::<8>() else {
            return false;
        };
        let length = u64::from_le_bytes(*length);
        length >= 2 && length.saturating_add(8) <= self.bytes && rest.starts_with(b"{")
    }

    /// JSON, or UBJSON, in which `{` is followed by a marker of length.
    fn is_json(&self) -> bool {
        let ubjson = matches!(self.head, [b'{', b'L' | b'i' | b'l' | b'U', ..]);
        ubjson || self.text().starts_with('{')
    }

    fn is_markup(&self) -> bool {
        self.text().starts_with('<')
    }

    fn has_html(&self) -> bool {
        let text = self.text().to_ascii_lowercase();
        text.starts_with("<!doctype html") || text.contains("<html") || text.contains("<head")
    }
}

/// Whether there are no control characters other than white space.
fn is_text(bytes: &[u8]) -> bool {
    let white = b"\t\n\r";
    !bytes
        .iter()
        .any(|byte| *byte < 0x20 && !white.contains(byte))
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pickle => "a Python pickle (scikit-learn, joblib)",
            Self::PyTorch => "a PyTorch file",
            Self::TorchScript => "a TorchScript file",
            Self::TorchExport => "a file of torch.export",
            Self::SavedModel => "a TensorFlow SavedModel folder",
            Self::TensorFlow => "a TensorFlow graph",
            Self::Keras => "a Keras model",
            Self::Hdf5 => "an HDF5 file (Keras)",
            Self::TfLite => "a TensorFlow Lite model",
            Self::XgBoost => "an XGBoost model",
            Self::LightGbm => "a LightGBM model",
            Self::CatBoost => "a CatBoost model",
            Self::Safetensors => "a safetensors file: weights without a graph",
            Self::Gguf => "a GGUF file: weights for llama.cpp",
            Self::CoreMl => "a Core ML model",
            Self::Pmml => "a PMML document",
            Self::OpenVino => "an OpenVINO model",
            Self::Paddle => "a PaddlePaddle model",
            Self::Ort => "a model in ONNX Runtime's own format",
            Self::OnnxText => "an ONNX model written as text",
            Self::LfsPointer => "a Git LFS pointer, not the file itself",
            Self::Html => "a web page (HTML)",
            Self::Xml => "an XML document",
            Self::Json => "a JSON document",
            Self::Notebook => "a Jupyter notebook",
            Self::Python => "a Python program",
            Self::Text => "a text file",
            Self::Gzip => "a gzip archive",
            Self::Zip => "a zip archive",
            Self::Tar => "a tar archive",
        })
    }
}
