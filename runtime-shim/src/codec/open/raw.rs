//! A request without JSON: its body is the only input of the model, byte by byte, and its header says
//! that nothing of it is JSON. All outputs are answered, as JSON. The "raw binary request" of
//! <https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md>.

use ::bytes::Bytes;

use super::request::{Inference, all};
use crate::codec::bytes::{self, Order};
use crate::codec::expected::{inputs_text, shape_text};
use crate::codec::failure::{Code, Failure};
use crate::engine::{Dim, Input, InputKind, Signature};
use crate::tensor::{self, Data, Element as _, ElementType, Tensor};

/// Reads the bytes as the only input. A text is the whole body, without its length.
pub(super) fn read(body: &Bytes, signature: &Signature) -> Result<Inference, Failure> {
    let [input] = signature.inputs.as_slice() else {
        let inputs = inputs_text(signature);
        let message = format!("bytes without JSON can only be one input; {inputs}");
        return Err(Failure::new(Code::MissingInput, message));
    };
    Ok(Inference {
        id: None,
        inputs: vec![tensor(input, body)?],
        outputs: all(signature, false),
    })
}

fn tensor(input: &Input, body: &Bytes) -> Result<Tensor, Failure> {
    let (size, name) = (body.len(), &input.name);
    let wrong = |why: String| Failure::new(Code::WrongShape, why);
    // Other kinds have been refused.
    let InputKind::Tensor { element, dims } = &input.kind else {
        return Err(wrong(format!("`{name}` is no array")));
    };
    let data = data(*element, body).ok_or_else(|| {
        let kind = super::datatype(*element);
        wrong(format!("{size} bytes are no values of {kind} for `{name}`"))
    })?;
    let shape = shape(dims, data.len()).ok_or_else(|| {
        let (values, takes) = (data.len(), shape_text(dims));
        wrong(format!(
            "{values} values do not tell a shape of `{name}`, which is {takes}; send JSON with the \
             shape before them"
        ))
    })?;
    Ok(Tensor { shape, data })
}

fn data(element: ElementType, body: &Bytes) -> Option<Data> {
    if element == ElementType::String {
        let text = str::from_utf8(body).ok()?;
        return Some(String::pack(vec![text.to_owned()]));
    }
    bytes::read(element, body, Order::Little)
}

/// The only shape of so many values that the model takes; none if there is none, or several.
fn shape(dims: &[Dim], count: usize) -> Option<Vec<usize>> {
    let fixed = dims.iter().map(|dim| match dim {
        Dim::Fixed(size) => Some(*size),
        Dim::Symbol(_) | Dim::Any => None,
    });
    if fixed.clone().filter(Option::is_none).count() > 1 {
        return None;
    }
    let known = fixed.clone().flatten().try_fold(1, usize::checked_mul)?;
    let open = count.checked_div(known)?;
    let shape: Vec<usize> = fixed.map(|size| size.unwrap_or(open)).collect();
    (tensor::count(&shape) == Some(count)).then_some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(element: ElementType, dims: &[Dim]) -> Signature {
        Signature {
            inputs: vec![crate::engine::echo::input("x", element, dims.to_vec())],
            outputs: vec!["x".to_owned()],
            output_kinds: Vec::new(),
        }
    }

    #[track_caller]
    fn check(
        element: ElementType,
        dims: &[Dim],
        body: &'static [u8],
        expected: Result<&[usize], &str>,
    ) {
        let found = read(&Bytes::from_static(body), &input(element, dims));
        match (found, expected) {
            (Ok(found), Ok(shape)) => assert_eq!(found.inputs[0].shape, shape),
            (Err(failure), Err(part)) => {
                assert!(failure.message.contains(part), "{}", failure.message);
            }
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn bytes_have_the_only_shape_that_they_can() {
        use Dim::{Any, Fixed};
        let (byte, text) = (ElementType::Uint8, ElementType::String);
        let many = Dim::Symbol("N".to_owned());
        check(byte, &[many.clone(), Fixed(2)], b"1234", Ok(&[2, 2]));
        check(byte, &[Fixed(2), Any], b"123456", Ok(&[2, 3]));
        check(byte, &[Fixed(2), Fixed(2)], b"1234", Ok(&[2, 2]));
        check(byte, &[many.clone(), Fixed(2)], b"", Ok(&[0, 2]));
        check(byte, &[], b"1", Ok(&[]));
        check(text, &[many.clone(), Fixed(1)], b"a text", Ok(&[1, 1]));
        check(
            byte,
            &[many.clone(), Fixed(2)],
            b"123",
            Err("3 values do not tell a shape of `x`"),
        );
        check(byte, &[Fixed(3)], b"1234", Err("which is [3]"));
        check(byte, &[many, Any], b"1234", Err("which is [N, ?]"));
        check(byte, &[Any, Fixed(0)], b"1234", Err("which is [?, 0]"));
        check(
            ElementType::Int16,
            &[Any],
            b"123",
            Err("3 bytes are no values of INT16"),
        );
        check(text, &[Any], b"\xff", Err("no values of BYTES"));
    }
}
