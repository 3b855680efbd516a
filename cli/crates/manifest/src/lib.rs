//! From the text of a serverless.yaml to a Service, or to all that is wrong with it.
