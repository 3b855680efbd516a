//! One file, bound to the type that fills it.

use std::marker::PhantomData;

use serde::Serialize;
use tera::{Context, Tera};

/// A file with holes, and the type `C` whose fields fill them.
#[derive(Debug)]
pub struct Template<C> {
    name: &'static str,
    source: &'static str,
    context: PhantomData<fn(&C)>,
}

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The template and its type do not fit: a mistake in this crate, which its tests would find.
    #[error("the template `{name}` cannot be filled; this is a mistake in mlfn, please report it")]
    Template {
        /// The file.
        name: &'static str,
        /// What Tera says.
        source: Box<tera::Error>,
    },
    /// A scaffold for the user's own model was rendered without one.
    #[error("the template `{name}` is for a model of your own; say which with `--model FILE`")]
    ModelMissing {
        /// The scaffold.
        name: &'static str,
    },
}

impl<C: Serialize> Template<C> {
    /// The template of this name, for messages, with these contents.
    pub const fn new(name: &'static str, source: &'static str) -> Self {
        Self {
            name,
            source,
            context: PhantomData,
        }
    }

    /// The file, filled.
    pub fn render(&self, context: &C) -> Result<String, RenderError> {
        let error = |source: tera::Error| RenderError::Template {
            name: self.name,
            source: Box::new(source),
        };
        let context = Context::from_serialize(context).map_err(error)?;
        let mut tera = Tera::default();
        // Nothing here is HTML.
        tera.autoescape_on(Vec::new());
        tera.add_raw_template(self.name, self.source)
            .map_err(error)?;
        tera.render(self.name, &context).map_err(error)
    }

    /// The file, filled, where nothing can go wrong: the template and the type of its context are
    /// both part of this crate, and its tests render each pair.
    ///
    /// # Panics
    ///
    /// If the template and its type do not fit.
    #[expect(
        clippy::expect_used,
        reason = "a template that does not fit its type is a mistake in this crate, which its tests find; callers could do nothing about it"
    )]
    pub fn text(&self, context: &C) -> String {
        self.render(context)
            .expect("the tests render every template")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Greeting {
        name: &'static str,
    }

    #[test]
    fn texts_are_safe_inside_json() {
        let template = Template::new("greeting", r#"{"hello": {{ name | json_encode }}}"#);
        let name = "a \"b\" <c> & \u{e9}\n";
        let text = template.render(&Greeting { name }).expect("renders");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["hello"], name);
    }

    #[test]
    fn a_hole_that_nothing_fills_is_an_error() {
        let template = Template::new("greeting", "{{ nobody }}");
        let error = template
            .render(&Greeting { name: "x" })
            .expect_err("refused");
        assert!(error.to_string().contains("`greeting`"), "{error}");
    }
}
