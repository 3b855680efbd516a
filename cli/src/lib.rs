//! Machine-learning models on AWS Lambda, Azure Functions and Google Cloud Functions from one file.
