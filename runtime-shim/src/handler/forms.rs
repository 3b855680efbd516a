//! One request in any form that there is.

use std::time::Instant;

use bytes::Bytes;

use super::{Handler, Timings};
use crate::codec::content::{Content, Form};
use crate::codec::failure::Failure;
use crate::codec::request::Request;
use crate::codec::{numpy, open, openapi};

impl Handler {
    /// Answers one request that is JSON in the simple format or arrays of `NumPy`, in the form that
    /// is wanted.
    pub(crate) fn predict_in(
        &self,
        body: &Bytes,
        form: Form,
        wanted: Form,
        timings: &mut Timings,
    ) -> Result<Content, Failure> {
        let request = self.read_in(body, form, timings)?;
        if !matches!(wanted, Form::Npy | Form::Npz) {
            return self.predict(request, timings).map(Content::json);
        }
        let values = self.run_gathered(request.inputs, timings)?;
        let start = Instant::now();
        let content = numpy::write(wanted, &self.engine.signature().outputs, &values);
        timings.write += start.elapsed();
        self.limit_content(content?)
    }

    fn read_in(&self, body: &Bytes, form: Form, timings: &mut Timings) -> Result<Request, Failure> {
        let (signature, limit) = (self.engine.signature(), self.config.max_request);
        let start = Instant::now();
        let request = match form {
            Form::Json | Form::Binary => return self.read(body, timings),
            Form::Npy => numpy::read_one(body, signature, &self.names),
            Form::Npz => numpy::read_many(body, limit, signature, &self.names),
        };
        timings.parse += start.elapsed();
        request
    }

    /// Answers one request of the Open Inference Protocol. `json_length` is how much of it is JSON.
    pub(crate) fn infer(
        &self,
        body: &Bytes,
        json_length: Option<usize>,
        timings: &mut Timings,
    ) -> Result<Content, Failure> {
        let signature = self.engine.signature();
        let start = Instant::now();
        let request = open::request::read(body, json_length, signature);
        timings.parse += start.elapsed();
        let mut request = request?;
        let values = self.run_gathered(std::mem::take(&mut request.inputs), timings)?;
        let start = Instant::now();
        let content = open::response::write(&self.config, &request, &signature.outputs, &values);
        timings.write += start.elapsed();
        self.limit_content(content?)
    }

    /// What the Open Inference Protocol says of the model.
    pub(crate) fn metadata(&self) -> Vec<u8> {
        open::model(self.engine.signature(), &self.config)
    }

    /// The function as an `OpenAPI` document.
    pub(crate) fn openapi(&self) -> Vec<u8> {
        openapi::document(self.engine.signature(), &self.names, &self.config)
    }

    fn limit_content(&self, content: Content) -> Result<Content, Failure> {
        let body = self.limit(content.body)?;
        Ok(Content { body, ..content })
    }
}
