//! ONNX Runtime, loaded from the library that lies in the package.

use std::error::Error as _;
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use half::{bf16, f16};
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::value::{
    DynMapValueType, DynSequenceValueType, DynValue, DynValueRef, DynValueTypeMarker,
    PrimitiveTensorElementType, Tensor as OrtTensor, TensorElementType, TensorRef, ValueType,
};
use ort::{ErrorCode, LoadDynamicError};

use super::{Dim, Engine, EngineError, Input, InputKind, Signature};
use crate::log::{self, Level};
use crate::tensor::{Data, Element, ElementType, Tensor, Value, Values};
use crate::trace::{self, Phase};

mod shared;

use shared::SharedSession;

/// Outputs of fewer bytes are copied sooner than kept.
const WORTH_KEEPING: usize = 16 << 10;

/// A session of ONNX Runtime.
pub(crate) struct OnnxRuntime {
    signature: Signature,
    session: SharedSession,
}

impl OnnxRuntime {
    /// Loads the library, then the model. `threads` is how many one operator may use.
    pub(crate) fn load(library: &Path, model: &Path, threads: usize) -> Result<Self, EngineError> {
        let environment = environment(library)?;
        let session = session(environment, model, threads)
            .map_err(|error| EngineError::Model(error.message().to_owned()))?;
        let signature = Signature {
            inputs: session.inputs().iter().map(input).collect(),
            outputs: session
                .outputs()
                .iter()
                .map(|o| o.name().to_owned())
                .collect(),
            output_kinds: session.outputs().iter().map(|o| kind(o.dtype())).collect(),
        };
        Ok(Self {
            signature,
            // As many runs at a time as there are processors.
            session: SharedSession::new(session, threads)
                .map_err(|error| EngineError::Model(error.message().to_owned()))?,
        })
    }
}

impl Engine for OnnxRuntime {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Value>, EngineError> {
        let inputs = Arc::new(inputs);
        let given = inputs.iter().map(Given::new);
        let given = given.collect::<Result<Vec<_>, _>>().map_err(run_error)?;
        let given: Vec<&DynValue> = given.iter().map(Deref::deref).collect();
        let outputs = self.session.run(&given).map_err(run_error)?;
        let names = self.signature.outputs.iter();
        names
            .zip(outputs)
            .map(|(name, value)| from_ort(name, value, &inputs))
            .collect()
    }
}

/// Loads the library, which takes longer than anything else for small models, and in which a
/// process can have one environment only. What is wrong is told by [`OnnxRuntime::load`].
pub(super) fn prepare(library: &Path) {
    let _ = environment(library);
}

fn environment(library: &Path) -> Result<&'static Environment, EngineError> {
    static ENVIRONMENT: OnceLock<Result<Environment, String>> = OnceLock::new();
    let environment = ENVIRONMENT.get_or_init(|| open(library));
    let environment = environment.as_ref();
    environment.map_err(|message| EngineError::Library(message.clone()))
}

fn open(library: &Path) -> Result<Environment, String> {
    let builder = ort::init_from(library).map_err(|error| reason(&error))?;
    trace::mark(Phase::Library);
    let environment = builder
        .with_name("mlfn")
        .with_telemetry(false)
        .with_logger(Arc::new(forward))
        .build()
        .map_err(|error| error.to_string())?;
    environment.set_log_level(LogLevel::Error);
    trace::mark(Phase::Environment);
    Ok(environment)
}

/// With what the loader of the system says, which `ort` leaves out.
fn reason(error: &LoadDynamicError) -> String {
    let loader = match error {
        LoadDynamicError::Dlopen { error, .. } => error.source(),
        _ => None,
    };
    loader.map_or_else(|| error.to_string(), |loader| format!("{error}: {loader}"))
}

/// ONNX Runtime's own messages. Errors come back as results too, so they are worth a line only to
/// somebody who looks for details.
fn forward(level: LogLevel, _category: &str, _id: &str, location: &str, message: &str) {
    let level = match level {
        LogLevel::Fatal => Level::Error,
        LogLevel::Error => Level::Debug,
        LogLevel::Warning | LogLevel::Info | LogLevel::Verbose => return,
    };
    log::write(level, message, &[("at", location.into())]);
}

/// Of ONNX Runtime: threads stop to spin with the last run
/// (`onnxruntime_session_options_config_keys.h`).
const SLEEP_AFTER_RUNS: &str = "session.force_spinning_stop";

fn session(environment: &Environment, model: &Path, threads: usize) -> ort::Result<Session> {
    // Between two operators of a run its threads spin, because to wake them up takes longer than
    // many an operator. When no run is left they sleep.
    Session::builder(environment)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(threads > 1)?
        .with_inter_op_spinning(false)?
        .with_config_entry(SLEEP_AFTER_RUNS, "1")?
        .with_log_level(LogLevel::Error)?
        .commit_from_file(model)
}

fn input(outlet: &ort::value::Outlet) -> Input {
    Input {
        name: outlet.name().to_owned(),
        kind: kind(outlet.dtype()),
    }
}

fn kind(of: &ValueType) -> InputKind {
    let ValueType::Tensor {
        ty,
        shape,
        dimension_symbols,
    } = of
    else {
        return InputKind::Unsupported(describe(of));
    };
    let Some(element) = element(*ty) else {
        return InputKind::Unsupported(describe(of));
    };
    let dims = shape.iter().zip(dimension_symbols.iter());
    InputKind::Tensor {
        element,
        dims: dims.map(|(size, symbol)| dim(*size, symbol)).collect(),
    }
}

/// ONNX Runtime says -1 for a size that the graph leaves open.
fn dim(size: i64, symbol: &str) -> Dim {
    match usize::try_from(size) {
        Ok(size) => Dim::Fixed(size),
        Err(_) if symbol.is_empty() => Dim::Any,
        Err(_) => Dim::Symbol(symbol.to_owned()),
    }
}

fn element(of: TensorElementType) -> Option<ElementType> {
    Some(match of {
        TensorElementType::Bool => ElementType::Bool,
        TensorElementType::Int8 => ElementType::Int8,
        TensorElementType::Int16 => ElementType::Int16,
        TensorElementType::Int32 => ElementType::Int32,
        TensorElementType::Int64 => ElementType::Int64,
        TensorElementType::Uint8 => ElementType::Uint8,
        TensorElementType::Uint16 => ElementType::Uint16,
        TensorElementType::Uint32 => ElementType::Uint32,
        TensorElementType::Uint64 => ElementType::Uint64,
        TensorElementType::Float16 => ElementType::Float16,
        TensorElementType::Bfloat16 => ElementType::Bfloat16,
        TensorElementType::Float32 => ElementType::Float32,
        TensorElementType::Float64 => ElementType::Float64,
        TensorElementType::String => ElementType::String,
        _ => return None,
    })
}

/// A type in ONNX's words.
fn describe(of: &ValueType) -> String {
    let name = |ty: &TensorElementType| {
        element(*ty).map_or_else(|| format!("{ty:?}").to_lowercase(), |e| e.name().to_owned())
    };
    match of {
        ValueType::Tensor { ty, .. } => name(ty),
        ValueType::Sequence(inner) => format!("sequence({})", describe(inner)),
        ValueType::Optional(inner) => format!("optional({})", describe(inner)),
        ValueType::Map { key, value } => format!("map({}, {})", name(key), name(value)),
    }
}

/// A tensor as ONNX Runtime has them: numbers stay where they are.
enum Given<'a> {
    Numbers(DynValueRef<'a>),
    Texts(DynValue),
}

impl<'a> Given<'a> {
    fn new(tensor: &'a Tensor) -> ort::Result<Self> {
        fn view<'a, T>(shape: &[usize], values: &'a [T]) -> ort::Result<Given<'a>>
        where
            T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static,
        {
            TensorRef::from_array_view((shape.to_vec(), values))
                .map(|view| Given::Numbers(view.into_dyn()))
        }
        let shape = tensor.shape.as_slice();
        match &tensor.data {
            Data::Bool(values) => view(shape, values),
            Data::Int8(values) => view(shape, values),
            Data::Int16(values) => view(shape, values),
            Data::Int32(values) => view(shape, values),
            Data::Int64(values) => view(shape, values),
            Data::Uint8(values) => view(shape, values),
            Data::Uint16(values) => view(shape, values),
            Data::Uint32(values) => view(shape, values),
            Data::Uint64(values) => view(shape, values),
            Data::Float16(values) => view(shape, values),
            Data::Bfloat16(values) => view(shape, values),
            Data::Float32(values) => view(shape, values),
            Data::Float64(values) => view(shape, values),
            Data::String(values) => OrtTensor::from_string_array((shape, &**values))
                .map(|copy| Given::Texts(copy.into_dyn())),
        }
    }
}

impl Deref for Given<'_> {
    type Target = DynValue;

    fn deref(&self) -> &DynValue {
        match self {
            Given::Numbers(value) => value,
            Given::Texts(value) => value,
        }
    }
}

fn from_ort(name: &str, value: DynValue, inputs: &Arc<Vec<Tensor>>) -> Result<Value, EngineError> {
    match value.dtype().clone() {
        ValueType::Tensor { ty, .. } => from_tensor(name, value, ty, inputs).map(Value::Tensor),
        ValueType::Sequence(_) => {
            let sequence = value
                .downcast::<DynSequenceValueType>()
                .map_err(run_error)?;
            let items = sequence
                .try_extract_sequence::<DynValueTypeMarker>()
                .map_err(run_error)?;
            let items = items.into_iter().map(|item| from_ort(name, item, inputs));
            Ok(Value::Sequence(items.collect::<Result<_, _>>()?))
        }
        ValueType::Map { key, value: of } => from_map(name, value, key, of),
        other @ ValueType::Optional(_) => Err(unsupported(name, &describe(&other))),
    }
}

fn from_tensor(
    name: &str,
    value: DynValue,
    element: TensorElementType,
    inputs: &Arc<Vec<Tensor>>,
) -> Result<Tensor, EngineError> {
    match element {
        TensorElementType::Bool => primitive::<bool>(value, inputs),
        TensorElementType::Int8 => primitive::<i8>(value, inputs),
        TensorElementType::Int16 => primitive::<i16>(value, inputs),
        TensorElementType::Int32 => primitive::<i32>(value, inputs),
        TensorElementType::Int64 => primitive::<i64>(value, inputs),
        TensorElementType::Uint8 => primitive::<u8>(value, inputs),
        TensorElementType::Uint16 => primitive::<u16>(value, inputs),
        TensorElementType::Uint32 => primitive::<u32>(value, inputs),
        TensorElementType::Uint64 => primitive::<u64>(value, inputs),
        TensorElementType::Float16 => primitive::<f16>(value, inputs),
        TensorElementType::Bfloat16 => primitive::<bf16>(value, inputs),
        TensorElementType::Float32 => primitive::<f32>(value, inputs),
        TensorElementType::Float64 => primitive::<f64>(value, inputs),
        TensorElementType::String => value
            .try_extract_strings()
            .map(|(shape, values)| tensor(shape, String::pack(values))),
        other => return Err(unsupported(name, &format!("{other:?}").to_lowercase())),
    }
    .map_err(run_error)
}

fn primitive<T>(value: DynValue, inputs: &Arc<Vec<Tensor>>) -> ort::Result<Tensor>
where
    T: PrimitiveTensorElementType + Element + Send + 'static,
{
    let (shape, values) = value.try_extract_tensor::<T>()?;
    if size_of_val(values) < WORTH_KEEPING || T::bytes(values).is_none() {
        return Ok(tensor(shape, T::pack(values.to_vec())));
    }
    let shape = shape.clone();
    let kept = Kept::<T> {
        value,
        _inputs: Arc::clone(inputs),
        of: PhantomData,
    };
    let values = Values::shared(Bytes::from_owner(kept));
    let values: Values<T> = values.ok_or_else(|| ort::Error::new("an output is not aligned"))?;
    Ok(tensor(&shape, T::wrap(values)))
}

/// An output that stays where ONNX Runtime has put it.
struct Kept<T> {
    value: DynValue,
    /// An output that is an input, too, lies where that lies.
    _inputs: Arc<Vec<Tensor>>,
    of: PhantomData<T>,
}

impl<T: PrimitiveTensorElementType + Element> AsRef<[u8]> for Kept<T> {
    fn as_ref(&self) -> &[u8] {
        let values = self.value.try_extract_tensor::<T>().ok();
        values
            .and_then(|(_, values)| T::bytes(values))
            .unwrap_or_default()
    }
}

fn tensor(shape: &ort::value::Shape, data: Data) -> Tensor {
    // Sizes of a tensor that exists are never negative.
    let shape = shape.iter().map(|size| usize::try_from(*size).unwrap_or(0));
    Tensor {
        shape: shape.collect(),
        data,
    }
}

fn from_map(
    name: &str,
    value: DynValue,
    key: TensorElementType,
    of: TensorElementType,
) -> Result<Value, EngineError> {
    use TensorElementType::{Float32, Float64, Int64, String as Text};
    let value = value.downcast::<DynMapValueType>().map_err(run_error)?;
    macro_rules! extract {
        ($key:ty, $value:ty) => {{
            let pairs = value
                .try_extract_key_values::<$key, $value>()
                .map_err(run_error)?;
            let (keys, values) = pairs.into_iter().unzip();
            Ok(Value::Map {
                keys: <$key>::pack(keys),
                values: <$value>::pack(values),
            })
        }};
    }
    // The types of map that ONNX Runtime has.
    match (key, of) {
        (Int64, Float32) => extract!(i64, f32),
        (Int64, Float64) => extract!(i64, f64),
        (Int64, Int64) => extract!(i64, i64),
        (Text, Float32) => extract!(String, f32),
        (Text, Float64) => extract!(String, f64),
        (Text, Int64) => extract!(String, i64),
        _ => Err(unsupported(
            name,
            &describe(&ValueType::Map { key, value: of }),
        )),
    }
}

fn unsupported(name: &str, what: &str) -> EngineError {
    EngineError::Run(format!(
        "its output `{name}` is {what}, which JSON cannot carry"
    ))
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` calls it")]
fn run_error(error: ort::Error) -> EngineError {
    let message = error.message().to_owned();
    match error.code() {
        ErrorCode::InvalidArgument => EngineError::Refused(message),
        _ => EngineError::Run(message),
    }
}
