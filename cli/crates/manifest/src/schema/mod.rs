//! The manifest as it is written: the types, and the JSON schema that editors use.

mod scalars;
pub(crate) mod v1;

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

/// The JSON schema (draft 2020-12) of the manifest, generated from the types that read it.
pub fn json_schema() -> Json {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<v1::Manifest>().to_value()
}
