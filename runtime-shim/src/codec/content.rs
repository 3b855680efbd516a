//! The forms that requests and answers can have, and what their media types are.

/// A form of a request or an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON.
    Json,
    /// JSON, then the bytes of tensors: the binary extension of the Open Inference Protocol.
    Binary,
    /// One array of `NumPy`: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
    Npy,
    /// Arrays of `NumPy` by name, in a zip archive.
    Npz,
}

/// Bytes, and how to read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// The form.
    pub(crate) form: Form,
    /// The bytes.
    pub(crate) body: Vec<u8>,
    /// How many of the bytes are JSON, if tensors follow it.
    pub(crate) json_length: Option<usize>,
}

impl Form {
    /// The value of the header `content-type`.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Binary => "application/octet-stream",
            Self::Npy => "application/x-npy",
            Self::Npz => "application/x-npz",
        }
    }
}

impl Content {
    /// JSON.
    pub(crate) fn json(body: Vec<u8>) -> Self {
        Self::of(Form::Json, body)
    }

    /// In a form without JSON before it.
    pub(crate) fn of(form: Form, body: Vec<u8>) -> Self {
        Self {
            form,
            body,
            json_length: None,
        }
    }
}
