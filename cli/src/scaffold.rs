//! The files of a new project, first as a plan, then on the disk.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mlfn_core::ServiceName;
use mlfn_model::{Dimension, ElementType, Kind, Model, Shape};
use mlfn_templates::ci::CiService;
use mlfn_templates::scaffold::{self, OwnModel, RenderedFile, Scaffold, ScaffoldContext};
use serde_json::{Map, Value as Json, json};

use crate::errors::{CommandError, nearest};
use crate::settings::InitSettings;

/// The most numbers in an example: more make a manifest that nobody can read.
const LARGEST_EXAMPLE: u64 = 20_000;

/// A file that is to be written.
#[derive(Debug)]
pub(crate) struct File {
    /// Where.
    pub(crate) path: PathBuf,
    contents: Contents,
}

#[derive(Debug)]
enum Contents {
    Bytes(Vec<u8>),
    /// Models can be too large to be read into memory.
    CopyOf(PathBuf),
}

impl File {
    /// Writes it, and the folders around it.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        match &self.contents {
            Contents::Bytes(bytes) => fs_err::write(&self.path, bytes)?,
            Contents::CopyOf(source) => drop(fs_err::copy(source, &self.path)?),
        }
        Ok(())
    }
}

/// Everything that `mlfn init` would write.
pub(crate) fn plan(settings: &InitSettings) -> anyhow::Result<Vec<File>> {
    let scaffold = choose(settings)?;
    let service = service_name(&settings.folder)?;
    let own = match (&settings.model, scaffold.needs_model()) {
        (Some(path), true) => Some(Own::new(path, &settings.folder)?),
        (None, true) => {
            let message = format!("the template `{}` needs a model", scaffold.name);
            return Err(CommandError::usage(message)
                .hint("pass one with `--model FILE`")
                .into());
        }
        (Some(_), false) => {
            let message = format!("the template `{}` has a model of its own", scaffold.name);
            return Err(CommandError::usage(message)
                .hint("leave out `--template`")
                .into());
        }
        (None, false) => None,
    };
    let rendered = scaffold.render(&ScaffoldContext {
        service: service.to_string(),
        provider: settings.provider.to_string(),
        schema: serde_json::to_string_pretty(&mlfn_manifest::json_schema())? + "\n",
        model: own.as_ref().map(Own::described),
    })?;
    let workflow = settings
        .ci
        .as_deref()
        .map(|name| workflow(name, &service))
        .transpose()?;
    let rendered = rendered.into_iter().chain(workflow);
    let mut files: Vec<File> = rendered
        .map(|file| placed(file, &settings.folder))
        .collect();
    files.extend(own.map(|own| own.copies).unwrap_or_default());
    Ok(files)
}

fn choose(settings: &InitSettings) -> Result<&'static Scaffold, CommandError> {
    let default = match settings.model {
        Some(_) => scaffold::OWN_MODEL,
        None => scaffold::DEFAULT,
    };
    let name = settings.template.as_deref().unwrap_or(default);
    let names = || scaffold::scaffolds().iter().map(|scaffold| scaffold.name);
    let found = scaffold::scaffolds()
        .iter()
        .find(|scaffold| scaffold.name == name);
    found.ok_or_else(|| unknown("template", name, names()))
}

fn workflow(name: &str, service: &ServiceName) -> anyhow::Result<RenderedFile> {
    let found = CiService::ALL
        .into_iter()
        .find(|known| known.as_str() == name);
    let names = CiService::ALL.into_iter().map(CiService::as_str);
    let known = found.ok_or_else(|| unknown("continuous-integration service", name, names))?;
    Ok(known.render(service.as_str())?)
}

fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> CommandError {
    let hint = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
    };
    CommandError::usage(format!("there is no {what} `{name}`")).hint(hint)
}

fn placed(file: RenderedFile, folder: &Path) -> File {
    File {
        path: folder.join(file.path),
        contents: Contents::Bytes(file.contents),
    }
}

/// Made of the folder's own name, whatever it is; the user may change it in the manifest.
fn service_name(folder: &Path) -> anyhow::Result<ServiceName> {
    let folder = Path::new(".").join(folder);
    let absolute = match fs_err::canonicalize(&folder) {
        Ok(absolute) => absolute,
        // It is about to be made.
        Err(_) => std::path::absolute(folder).context("the current folder cannot be found")?,
    };
    let name = absolute
        .components()
        .next_back()
        .map(|last| last.as_os_str().to_string_lossy());
    Ok(good_name(&name.unwrap_or_default()).parse()?)
}

/// `My Project 2` -> `my-project-2`.
fn good_name(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join("-");
    let from_letter = joined.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let short: String = from_letter.chars().take(ServiceName::MAX).collect();
    match short.trim_end_matches('-') {
        "" => "service".to_owned(),
        name => name.to_owned(),
    }
}

/// A model of the user's.
struct Own {
    /// Relative to the project.
    file: String,
    example: Json,
    copies: Vec<File>,
}

impl Own {
    /// A model in the project's folder stays where it is; any other is copied, with its weights.
    fn new(path: &Path, folder: &Path) -> anyhow::Result<Self> {
        let model = mlfn_model::inspect(path)?;
        let example = example(&model).unwrap_or(Json::Null);
        if let Some(file) = inside(path, folder) {
            return Ok(Self {
                file,
                example,
                copies: Vec::new(),
            });
        }
        let name = path.file_name().context("the model has no file name")?;
        let beside = path.parent().unwrap_or(Path::new("."));
        let weights = model
            .external_data
            .iter()
            .map(|file| PathBuf::from(&file.location));
        let copies = std::iter::once(PathBuf::from(name))
            .chain(weights)
            .map(|file| File {
                path: folder.join(&file),
                contents: Contents::CopyOf(beside.join(&file)),
            });
        Ok(Self {
            file: name.to_string_lossy().into_owned(),
            example,
            copies: copies.collect(),
        })
    }

    fn described(&self) -> OwnModel {
        OwnModel {
            file: self.file.clone(),
            example: self.example.clone(),
        }
    }
}

/// The path relative to the project, if it is in there.
fn inside(path: &Path, folder: &Path) -> Option<String> {
    let path = fs_err::canonicalize(path).ok()?;
    let folder = fs_err::canonicalize(Path::new(".").join(folder)).ok()?;
    let relative = path.strip_prefix(folder).ok()?.to_str()?;
    Some(relative.to_owned())
}

/// A request of the right shape with made-up values; none if one cannot be written as JSON or
/// would be too long.
fn example(model: &Model) -> Option<Json> {
    if let [only] = model.inputs.as_slice() {
        return Some(json!({ "features": sample(&only.kind)? }));
    }
    let values = model
        .inputs
        .iter()
        .map(|input| Some((input.name.clone(), sample(&input.kind)?)));
    Some(Json::Object(values.collect::<Option<Map<_, _>>>()?))
}

fn sample(kind: &Kind) -> Option<Json> {
    let Kind::Tensor {
        element,
        shape: Shape(dimensions),
    } = kind
    else {
        return None;
    };
    let dimensions = dimensions.as_deref().unwrap_or(&[Dimension::Unknown]);
    let lengths: Vec<u64> = one_sample(dimensions).iter().map(length).collect();
    let numbers = lengths
        .iter()
        .try_fold(1_u64, |product, length| product.checked_mul(*length))?;
    (numbers <= LARGEST_EXAMPLE).then(|| nested(&lengths, &value(*element)))
}

/// Without the leading dimension, if that is the batch: the shim adds it.
fn one_sample(dimensions: &[Dimension]) -> &[Dimension] {
    match dimensions {
        [Dimension::Fixed(2..), ..] | [] | [_] => dimensions,
        [_, rest @ ..] => rest,
    }
}

fn length(dimension: &Dimension) -> u64 {
    match dimension {
        Dimension::Fixed(length) => *length,
        Dimension::Symbolic(_) | Dimension::Unknown => 1,
    }
}

fn nested(lengths: &[u64], value: &Json) -> Json {
    match lengths {
        [] => value.clone(),
        [length, rest @ ..] => (0..*length).map(|_| nested(rest, value)).collect(),
    }
}

fn value(element: ElementType) -> Json {
    match element {
        ElementType::String => json!("text"),
        ElementType::Bool => json!(false),
        ElementType::Float16
        | ElementType::Bfloat16
        | ElementType::Float32
        | ElementType::Float64 => json!(0.5),
        _ => json!(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_name(text: &str, expected: &str) {
        assert_eq!(good_name(text), expected);
        expected.parse::<ServiceName>().expect("is a good name");
    }

    #[test]
    fn every_folder_makes_a_good_name() {
        check_name("iris", "iris");
        check_name("My Project_2", "my-project-2");
        check_name("2024-churn", "churn");
        check_name("--", "service");
        check_name("日本", "service");
        check_name("a-very-long-name-of-a-folder", "a-very-long-name-of-a-fo");
        check_name("exactly-24-letters-here-x", "exactly-24-letters-here");
    }

    #[track_caller]
    fn check_sample(element: ElementType, shape: Option<Vec<Dimension>>, expected: &Json) {
        let shape = Shape(shape);
        let found = sample(&Kind::Tensor { element, shape }).unwrap_or_default();
        assert_eq!(&found, expected);
    }

    #[test]
    fn an_example_has_the_shape_of_one_sample() {
        use Dimension::{Fixed, Symbolic, Unknown};
        let float = ElementType::Float32;
        let batch = || Symbolic("N".to_owned());
        check_sample(
            float,
            Some(vec![batch(), Fixed(3)]),
            &json!([0.5, 0.5, 0.5]),
        );
        check_sample(float, Some(vec![Unknown, Fixed(1)]), &json!([0.5]));
        check_sample(float, Some(vec![Fixed(1), Fixed(2)]), &json!([0.5, 0.5]));
        check_sample(
            float,
            Some(vec![Fixed(2), Fixed(1)]),
            &json!([[0.5], [0.5]]),
        );
        check_sample(ElementType::Int64, Some(vec![Unknown]), &json!([1]));
        check_sample(ElementType::String, Some(vec![]), &json!("text"));
        check_sample(float, None, &json!([0.5]));
        check_sample(
            float,
            Some(vec![Unknown, Fixed(3), Fixed(1024), Fixed(1024)]),
            &Json::Null,
        );
    }
}
