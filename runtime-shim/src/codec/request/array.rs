//! Nested arrays -> values in row-major order and the shape that was found.

use std::fmt;

use half::{bf16, f16};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::element::{FromJson, Mismatch};
use super::{Key, Reader, Rows, fit};
use crate::codec::expected::shape_text;
use crate::codec::failure::{Code, Failure, did_you_mean, list, shortened};
use crate::engine::{Dim, InputKind};
use crate::tensor::{ElementType, Tensor};

/// Deeper arrays are refused for inputs of which the graph gives no shape.
const MAX_RANK: usize = 8;

/// What a request gave for an input, in the shape that the model takes.
#[derive(Debug)]
pub(super) struct Found {
    /// The tensor.
    pub(super) tensor: Tensor,
    /// Whether it was given as a sample or a batch.
    pub(super) rows: Rows,
}

/// Reads the value of an input.
pub(super) struct Seed<'r, 'a> {
    pub(super) reader: &'r Reader<'a>,
    pub(super) index: usize,
    /// What the request calls it.
    pub(super) key: &'r str,
    /// Whether the shape is what is found, and not the model's.
    pub(super) any_shape: bool,
}

/// Runs an expression with the type of Rust that an element type stands for.
macro_rules! by_type {
    ($element:expr, $rust:ident => $body:expr) => {
        by_type!(@ $element, $rust, $body,
            Bool bool, Int8 i8, Int16 i16, Int32 i32, Int64 i64, Uint8 u8, Uint16 u16, Uint32 u32,
            Uint64 u64, Float16 f16, Bfloat16 bf16, Float32 f32, Float64 f64, String String)
    };
    (@ $element:expr, $rust:ident, $body:expr, $($variant:ident $type:ty),*) => {
        match $element {
            $(ElementType::$variant => {
                type $rust = $type;
                $body
            })*
        }
    };
}

pub(super) use by_type;

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        let mut place = Place::new(self.reader, self.index, self.key);
        if self.any_shape {
            place.dims = &[];
        }
        by_type!(place.element, T => {
            let mut collector = Collector::<T>::new(place);
            let item = Item { collector: &mut collector, depth: 0 };
            deserializer.deserialize_any(item)?;
            collector.finish()
        })
    }
}

/// Reads a body that is one sample, an object of features, of which the first key is read already.
pub(super) fn read_row<'de, A: MapAccess<'de>>(
    reader: &Reader<'_>,
    first: &str,
    map: &mut A,
) -> Result<Found, A::Error> {
    let place = Place::new(reader, 0, "the request");
    by_type!(place.element, T => {
        let mut collector = Collector::<T>::new(place);
        collector.object(0, Some(first), map)?;
        collector.finish()
    })
}

/// Which input is read, for checks and messages.
struct Place<'r, 'a> {
    reader: &'r Reader<'a>,
    key: &'r str,
    element: ElementType,
    dims: &'a [Dim],
    names: &'a [String],
}

impl<'r, 'a> Place<'r, 'a> {
    fn new(reader: &'r Reader<'a>, index: usize, key: &'r str) -> Self {
        let input = &reader.signature.inputs[index];
        // Models with other inputs are refused before.
        let (element, dims) = match &input.kind {
            InputKind::Tensor { element, dims } => (*element, dims.as_slice()),
            InputKind::Unsupported(_) => (ElementType::String, [].as_slice()),
        };
        let names = reader.names.of(&input.name);
        Self {
            reader,
            key,
            element,
            dims,
            names,
        }
    }

    /// How many arrays may stand in each other.
    fn max_depth(&self) -> usize {
        match self.dims.len() {
            0 => MAX_RANK,
            rank => rank,
        }
    }

    fn stop<E: de::Error>(&self, code: Code, message: String) -> E {
        self.reader.stop(code, message)
    }
}

/// Values as they come, and the shape as far as it is known.
struct Collector<'r, 'a, T> {
    place: Place<'r, 'a>,
    values: Vec<T>,
    /// The size at each depth, known as soon as the first array of that depth ends.
    sizes: Vec<Option<usize>>,
    /// The depth at which values stand, known from the first value on.
    leaf: Option<usize>,
    /// The indices of the arrays that are open.
    path: Vec<usize>,
    /// Whether all of it is one object of features, and so one sample.
    is_one_object: bool,
}

impl<'r, 'a, T: FromJson> Collector<'r, 'a, T> {
    fn new(place: Place<'r, 'a>) -> Self {
        Self {
            sizes: vec![None; place.max_depth()],
            place,
            values: Vec::new(),
            leaf: None,
            path: Vec::new(),
            is_one_object: false,
        }
    }

    /// A value at a depth.
    fn value<E: de::Error>(
        &mut self,
        depth: usize,
        value: Result<T, Mismatch>,
        shown: impl Fn() -> String,
    ) -> Result<(), E> {
        let value = value.map_err(|mismatch| self.mismatch(mismatch, &shown()))?;
        match self.leaf {
            Some(leaf) if leaf != depth => return Err(self.ragged_depth(&shown())),
            Some(_) => {}
            // An array of this depth has ended, without values.
            None if self.sizes.get(depth).is_some_and(Option::is_some) => {
                return Err(self.ragged_depth(&shown()));
            }
            None => self.leaf = Some(depth),
        }
        self.values.push(value);
        Ok(())
    }

    /// An array begins at a depth.
    fn open<E: de::Error>(&mut self, depth: usize) -> Result<(), E> {
        if self.leaf.is_some_and(|leaf| depth >= leaf) {
            return Err(self.ragged_depth("an array"));
        }
        if depth >= self.sizes.len() {
            return Err(self.too_deep());
        }
        self.path.push(0);
        Ok(())
    }

    /// An array with so many items ends.
    fn close<E: de::Error>(&mut self, depth: usize, count: usize) -> Result<(), E> {
        self.path.pop();
        let first = *self.sizes[depth].get_or_insert(count);
        if first == count {
            return Ok(());
        }
        let message = format!(
            "`{}` has {} where the arrays before it have {first}; arrays side by side must be of \
             the same length",
            self.at(),
            count_of(count)
        );
        Err(self.place.stop(Code::Ragged, message))
    }

    /// An object that names the features along the last dimension.
    fn object<'de, A: MapAccess<'de>>(
        &mut self,
        depth: usize,
        first: Option<&str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let names = self.place.names;
        if self.sizes.is_empty() {
            return Err(self.not_single("an object"));
        }
        if names.is_empty() {
            return Err(self.no_names());
        }
        self.open(depth)?;
        self.is_one_object = depth == 0;
        let mut row: Vec<Option<T>> = vec![None; names.len()];
        if let Some(first) = first {
            self.feature(first, &mut row, map)?;
        }
        while let Some(Key(key)) = map.next_key()? {
            self.feature(&key, &mut row, map)?;
        }
        self.complete(&row)?;
        match self.leaf {
            Some(leaf) if leaf != depth + 1 => return Err(self.ragged_depth("an object")),
            _ => self.leaf = Some(depth + 1),
        }
        self.values.extend(row.into_iter().flatten());
        self.close(depth, names.len())
    }

    fn feature<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        row: &mut [Option<T>],
        map: &mut A,
    ) -> Result<(), A::Error> {
        let names = self.place.names;
        let Some(index) = names.iter().position(|name| name == key) else {
            return Err(self.unknown_feature(key));
        };
        if row[index].is_some() {
            let message = format!("`{key}` is given twice in {}", self.object_at());
            return Err(self.place.stop(Code::DuplicateFeature, message));
        }
        // The value goes through a collector of its own, which takes one value and no arrays.
        let place = Place {
            key,
            dims: &[Dim::Fixed(1)],
            names: &[],
            ..self.place
        };
        let mut single = Collector::<T>::new(place);
        single.sizes.clear();
        map.next_value_seed(Item {
            collector: &mut single,
            depth: 0,
        })?;
        row[index] = single.values.pop();
        Ok(())
    }

    fn complete<E: de::Error>(&self, row: &[Option<T>]) -> Result<(), E> {
        let names = self.place.names.iter().zip(row);
        let missing: Vec<&String> = names
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let verb = if missing.len() == 1 { "is" } else { "are" };
        let message = format!("{} {verb} missing in {}", list(missing), self.object_at());
        Err(self.place.stop(Code::MissingFeature, message))
    }

    /// Everything was read: the tensor in the shape that the model takes.
    fn finish<E: de::Error>(self) -> Result<Found, E> {
        // Values stand below the arrays whose sizes are known.
        let shape: Vec<usize> = self.sizes.iter().map_while(|size| *size).collect();
        let Place {
            key, dims, names, ..
        } = self.place;
        let given = fit::Given {
            key,
            shape: &shape,
            dims,
            names,
            is_one_object: self.is_one_object,
        };
        match fit::fit(&given) {
            Ok((shape, rows)) => Ok(Found {
                tensor: Tensor {
                    shape,
                    data: T::pack(self.values),
                },
                rows,
            }),
            Err(Failure { code, message }) => Err(self.place.stop(code, message)),
        }
    }

    /// Where reading is, as one would write it in a program: `features[0][2]`.
    fn at(&self) -> String {
        let indices: Vec<String> = self.path.iter().map(|index| format!("[{index}]")).collect();
        format!("{}{}", self.place.key, indices.concat())
    }

    fn object_at(&self) -> String {
        // The index within the object itself means nothing to a reader.
        let path = self.path.split_last().map_or(&[][..], |(_, outer)| outer);
        let indices: Vec<String> = path.iter().map(|index| format!("[{index}]")).collect();
        match self.place.key {
            "the request" => "the request".to_owned(),
            key => format!("`{key}{}`", indices.concat()),
        }
    }

    fn mismatch<E: de::Error>(&self, mismatch: Mismatch, shown: &str) -> E {
        let at = self.at();
        let name = T::TYPE.name();
        let (code, message) = match mismatch {
            Mismatch::Type if shown == "null" => (
                Code::NullValue,
                format!(
                    "`{at}` is null, but the model takes a {name} there; every value must be given"
                ),
            ),
            Mismatch::Type => (
                Code::WrongType,
                format!(
                    "`{at}` is {shown}, but the model takes {}",
                    article(T::TYPE)
                ),
            ),
            Mismatch::Range => (
                Code::OutOfRange,
                format!(
                    "`{at}` is {shown}, which is out of the range of {name}{}",
                    range(T::TYPE)
                ),
            ),
            Mismatch::Fraction => (
                Code::WrongType,
                format!("`{at}` is {shown}, but the model takes whole numbers ({name}) there"),
            ),
            Mismatch::Inexact => (
                Code::OutOfRange,
                format!(
                    "`{at}` is about {shown}, which is out of the range of {name}{} or written as \
                     a float that is not exact; write whole numbers without point and exponent",
                    range(T::TYPE)
                ),
            ),
            Mismatch::Nul => (
                Code::WrongType,
                format!("`{at}` contains the character NUL, which the model's texts cannot hold"),
            ),
        };
        self.place.stop(code, message)
    }

    fn ragged_depth<E: de::Error>(&self, shown: &str) -> E {
        let message = format!(
            "`{}` is {shown}, but other items beside it are nested differently; all rows must \
             have the same shape",
            self.at()
        );
        self.place.stop(Code::Ragged, message)
    }

    fn too_deep<E: de::Error>(&self) -> E {
        if self.place.dims.is_empty() || self.sizes.is_empty() {
            return self.not_single("an array");
        }
        let message = format!(
            "`{}` is an array, but the model's shape {} has {} dimension{}: values must stand there",
            self.at(),
            shape_text(self.place.dims),
            self.sizes.len(),
            if self.sizes.len() == 1 { "" } else { "s" },
        );
        self.place.stop(Code::WrongShape, message)
    }

    fn not_single<E: de::Error>(&self, shown: &str) -> E {
        let message = format!("`{}` is {shown}, but must be a single value", self.at());
        self.place.stop(Code::WrongShape, message)
    }

    fn no_names<E: de::Error>(&self) -> E {
        let message = format!(
            "`{}` is an object, but the features have no names: send arrays, or name the features \
             under `input:` in the manifest",
            self.at()
        );
        self.place.stop(Code::WrongType, message)
    }

    fn unknown_feature<E: de::Error>(&self, key: &str) -> E {
        let names = self.place.names;
        let hint = match did_you_mean(key, names.iter().map(String::as_str)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the features are {}", list(names)),
        };
        let (key, place) = (shortened(key), self.object_at());
        let message = format!("`{key}` in {place} is not a feature; {hint}");
        self.place.stop(Code::UnknownFeature, message)
    }
}

fn count_of(items: usize) -> String {
    match items {
        1 => "1 item".to_owned(),
        several => format!("{several} items"),
    }
}

/// What is expected in place of something else.
pub(super) fn article(element: ElementType) -> &'static str {
    match element {
        ElementType::Bool => "true or false there (bool)",
        ElementType::String => "a text there (string)",
        element if element.is_float() => "a number there",
        _ => "a whole number there",
    }
}

/// The range of the integers that are small enough to say so.
pub(super) fn range(element: ElementType) -> &'static str {
    match element {
        ElementType::Int8 => " (-128 to 127)",
        ElementType::Int16 => " (-32768 to 32767)",
        ElementType::Int32 => " (-2147483648 to 2147483647)",
        ElementType::Int64 => " (-9223372036854775808 to 9223372036854775807)",
        ElementType::Uint8 => " (0 to 255)",
        ElementType::Uint16 => " (0 to 65535)",
        ElementType::Uint32 => " (0 to 4294967295)",
        ElementType::Uint64 => " (0 to 18446744073709551615)",
        ElementType::Float16 => " (up to 65504)",
        ElementType::Bfloat16 => " (up to 3.3895e38)",
        ElementType::Float32 => " (up to 3.4028e38)",
        ElementType::Float64 | ElementType::Bool | ElementType::String => "",
    }
}

/// Whatever stands at a depth: a value or another array.
struct Item<'c, 'r, 'a, T> {
    collector: &'c mut Collector<'r, 'a, T>,
    depth: usize,
}

impl<'de, T: FromJson> DeserializeSeed<'de> for Item<'_, '_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: FromJson> Visitor<'de> for Item<'_, '_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("values of a tensor")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        let shown = || format!("{value}");
        self.collector.value(self.depth, T::of_bool(value), shown)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        let shown = || format!("{value}");
        self.collector.value(self.depth, T::of_i64(value), shown)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        let shown = || format!("{value}");
        self.collector.value(self.depth, T::of_u64(value), shown)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        let shown = || format!("{value:?}");
        self.collector.value(self.depth, T::of_f64(value), shown)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        let shown = || format!("the text {:?}", shortened(value));
        self.collector.value(self.depth, T::of_str(value), shown)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(self.collector.mismatch(Mismatch::Type, "null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { collector, depth } = self;
        collector.open(depth)?;
        let mut count = 0;
        while items
            .next_element_seed(Item {
                collector,
                depth: depth + 1,
            })?
            .is_some()
        {
            count += 1;
            if let Some(index) = collector.path.last_mut() {
                *index = count;
            }
        }
        collector.close(depth, count)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.collector.object(self.depth, None, &mut map)
    }
}
