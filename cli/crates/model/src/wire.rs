//! Walks the fields of a protobuf message in a file and seeks over those that nobody wants.
//!
//! The format: <https://protobuf.dev/programming-guides/encoding/>.

use std::io::{self, BufRead as _, BufReader, Read, Seek};

/// Why the bytes are not the message that they should be.
#[derive(Debug)]
pub(crate) enum WireError {
    /// The file cannot be read.
    Io(io::Error),
    /// The file ends inside the field that starts at byte `at`, which needs it to have `needed`
    /// bytes (0 if that is not known).
    Ends { at: u64, needed: u64 },
    /// Byte `at` cannot be there.
    Damaged { at: u64, problem: &'static str },
    /// More structure than we are ready to hold or to descend into.
    TooComplex,
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Where a message lies: its first byte and the byte after its last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Span {
    /// In bytes.
    pub(crate) fn len(self) -> u64 {
        self.end - self.start
    }
}

/// A field: its number in the message, and its value or where that lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) value: FieldValue,
}

/// The value of a field by wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValue {
    Varint(u64),
    Fixed32,
    Fixed64,
    Bytes(Span),
}

/// A file with a position.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    inner: BufReader<R>,
    position: u64,
    length: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// At the start of a file of this many bytes.
    pub(crate) fn new(inner: R, length: u64) -> Self {
        let inner = BufReader::new(inner);
        let position = 0;
        Self {
            inner,
            position,
            length,
        }
    }

    /// All of the file.
    pub(crate) fn span(&self) -> Span {
        Span {
            start: 0,
            end: self.length,
        }
    }

    /// Bytes from the start of the file.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next field of the message that ends at `end`, or none at its end. Bytes are left for
    /// the caller, who calls [`Self::go_to`] with the end of their span.
    pub(crate) fn field(&mut self, end: u64) -> Result<Option<Field>, WireError> {
        if self.position == end {
            return Ok(None);
        }
        let at = self.position;
        let key = self.varint(end)?;
        let number = u32::try_from(key >> 3).unwrap_or(0);
        // Numbers are 29 bits: https://protobuf.dev/programming-guides/proto3/#assigning
        if number == 0 || number >= 1 << 29 {
            let problem = "a field cannot have this number";
            return Err(WireError::Damaged { at, problem });
        }
        let value = match key & 7 {
            0 => FieldValue::Varint(self.varint(end)?),
            1 => self.fixed(8, end, FieldValue::Fixed64)?,
            2 => {
                let length = self.varint(end)?;
                FieldValue::Bytes(self.span_ahead(length, end)?)
            }
            5 => self.fixed(4, end, FieldValue::Fixed32)?,
            _ => {
                let problem = "a field cannot have this wire type";
                return Err(WireError::Damaged { at, problem });
            }
        };
        Ok(Some(Field { number, value }))
    }

    /// A variable-length number that ends before `end`.
    pub(crate) fn varint(&mut self, end: u64) -> Result<u64, WireError> {
        let at = self.position;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(end)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        let problem = "a number takes more than ten bytes";
        Err(WireError::Damaged { at, problem })
    }

    /// The bytes of a span, which starts here.
    pub(crate) fn bytes(&mut self, span: Span, limit: u64) -> Result<Vec<u8>, WireError> {
        if span.len() > limit {
            return Err(WireError::TooComplex);
        }
        let length = usize::try_from(span.len()).map_err(|_| WireError::TooComplex)?;
        let mut bytes = vec![0; length];
        self.inner.read_exact(&mut bytes)?;
        self.position = span.end;
        Ok(bytes)
    }

    /// Goes forward to a byte, without reading what lies between.
    pub(crate) fn go_to(&mut self, position: u64) -> Result<(), WireError> {
        let distance = position.checked_sub(self.position);
        let distance = distance.and_then(|distance| i64::try_from(distance).ok());
        let distance = distance.ok_or(WireError::TooComplex)?;
        self.inner.seek_relative(distance)?;
        self.position = position;
        Ok(())
    }

    fn byte(&mut self, end: u64) -> Result<u8, WireError> {
        if self.position >= end {
            return Err(self.overrun(end, 0));
        }
        let Some(&byte) = self.inner.fill_buf()?.first() else {
            // Somebody cut the file while we read it.
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        };
        self.inner.consume(1);
        self.position += 1;
        Ok(byte)
    }

    fn fixed(&mut self, length: u64, end: u64, value: FieldValue) -> Result<FieldValue, WireError> {
        let span = self.span_ahead(length, end)?;
        self.go_to(span.end)?;
        Ok(value)
    }

    /// The span of that many bytes from here.
    fn span_ahead(&self, length: u64, end: u64) -> Result<Span, WireError> {
        let start = self.position;
        match start.checked_add(length) {
            Some(span_end) if span_end <= end => Ok(Span {
                start,
                end: span_end,
            }),
            needed => Err(self.overrun(end, needed.unwrap_or(u64::MAX))),
        }
    }

    /// Something goes on after `end`: a cut file if that is the file's end, else a lie.
    fn overrun(&self, end: u64, needed: u64) -> WireError {
        let at = self.position;
        if end == self.length {
            return WireError::Ends { at, needed };
        }
        let problem = "a field is longer than the message around it";
        WireError::Damaged { at, problem }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<Field>, String> {
        let mut reader = Reader::new(Cursor::new(bytes), bytes.len() as u64);
        let mut fields = Vec::new();
        let end = reader.span().end;
        while let Some(field) = reader.field(end).map_err(|error| format!("{error:?}"))? {
            fields.push(field);
            if let FieldValue::Bytes(span) = field.value {
                reader.go_to(span.end).expect("goes");
            }
        }
        Ok(fields)
    }

    #[test]
    fn fields_of_all_wire_types_are_walked() {
        let bytes = [
            0x08, 0x96, 0x01, // 1: 150
            0x11, 0, 0, 0, 0, 0, 0, 0, 0, // 2: fixed64
            0x1a, 2, b'h', b'i', // 3: "hi"
            0x25, 0, 0, 0, 0, // 4: fixed32
        ];
        let values: Vec<_> = fields(&bytes).expect("walks");
        let values: Vec<_> = values.iter().map(|f| (f.number, f.value)).collect();
        let span = Span { start: 14, end: 16 };
        let expected = [
            (1, FieldValue::Varint(150)),
            (2, FieldValue::Fixed64),
            (3, FieldValue::Bytes(span)),
            (4, FieldValue::Fixed32),
        ];
        assert_eq!(values, expected);
    }

    #[track_caller]
    fn check_error(bytes: &[u8], expected: &str) {
        let error = fields(bytes).expect_err("fails");
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn nonsense_is_an_error() {
        check_error(&[0x08], "Ends { at: 1, needed: 0 }");
        check_error(&[0x0a, 5, 1], "Ends { at: 2, needed: 7 }");
        check_error(&[0x0d, 1, 2], "Ends { at: 1, needed: 5 }");
        check_error(&[0x00, 0x00], "cannot have this number");
        check_error(&[0x0b], "cannot have this wire type");
        check_error(&[0x0e], "cannot have this wire type");
        check_error(&[0xff; 11], "more than ten bytes");
        let huge = [
            0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
        ];
        check_error(&huge, "Ends { at: 11, needed: 18446744073709551615 }");
    }
}
