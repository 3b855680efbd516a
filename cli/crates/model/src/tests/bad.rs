//! What is said of files that are no model, or a bad one.

use std::path::Path;

use super::protobuf::{bytes, external, graph, model, number, opset};
use crate::{ModelError, inspect};

/// What is said of a file with that name and content in a folder of its own, `DIR` in the texts.
fn error_of(name: &str, content: &[u8]) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs_err::write(&path, content).expect("writes");
    texts(folder.path(), &inspect(&path).expect_err("fails"))
}

fn texts(folder: &Path, error: &ModelError) -> (String, String) {
    let folder = folder.to_str().expect("a plain name");
    let plain = |text: String| text.replace(folder, "DIR");
    (plain(error.to_string()), plain(error.hint()))
}

#[track_caller]
fn check(name: &str, content: impl AsRef<[u8]>, message: &str, hint: &str) {
    let (found_message, found_hint) = error_of(name, content.as_ref());
    assert_eq!(
        found_message,
        message.replace("FILE", &format!("`DIR/{name}`"))
    );
    assert!(found_hint.contains(hint), "{found_hint}");
}

/// A zip archive's beginning with the names of some members.
fn zip(members: &[&str]) -> Vec<u8> {
    [b"PK\x03\x04\x14\0\0\0", members.join("\0").as_bytes()].concat()
}

#[test]
fn python_files_are_told_apart() {
    let pickle = "FILE is not an ONNX model but a Python pickle (scikit-learn, joblib)";
    check(
        "model.pkl",
        b"\x80\x04\x95\x10sklearn.linear",
        pickle,
        "to_onnx(m",
    );
    check(
        "model.onnx",
        b"\x80\x03csklearn\n",
        pickle,
        "joblib.load('DIR/model.onnx')",
    );
    check("old.pickle", b"(dp0\nS'a'\np1\n", pickle, "skl2onnx");
    check("model.joblib", b"\x78\x9c\x01\x02\x03", pickle, "skl2onnx");
    check("model.gz.joblib", b"BZh91AY&SY\x01", pickle, "skl2onnx");
    check("model.joblib", b"\x1f\x8b\x08\0", pickle, "skl2onnx");
    check("model.lz4", b"\x04\x22\x4d\x18\x01", pickle, "skl2onnx");
    check("model.xz", b"\xfd7zXZ\0\x01", pickle, "skl2onnx");
}

#[test]
fn texts_are_told_from_damaged_models() {
    let python = "FILE is not an ONNX model but a Python program";
    let comment = "\"\"\"Trains the model and writes it to a file.\"\"\"\nimport sklearn\n";
    check(
        "train.py",
        comment,
        python,
        "name the .onnx file that it writes",
    );
    check("train.py", "print(1)\n", python, "with the export to ONNX");
    let text = "FILE is not an ONNX model but a text file";
    check("model.onnx", comment, text, "name the .onnx file");
    check(
        "model.yaml",
        "mlfn: 1\nservice: iris\n",
        text,
        "name the .onnx",
    );
    check(
        "data.csv",
        "größe,breite\n1,2\n".repeat(5000),
        text,
        "name the .onnx",
    );
    let notebook = "FILE is not an ONNX model but a Jupyter notebook";
    check(
        "a.ipynb",
        "{\"cells\": [], \"nbformat\": 4}",
        notebook,
        "run it",
    );
}

#[test]
fn pytorch_files_are_told_apart() {
    let torch = "FILE is not an ONNX model but a PyTorch file";
    let export = "torch.onnx.export(model.eval()";
    check(
        "a.pt",
        zip(&["archive/data.pkl", "archive/version"]),
        torch,
        export,
    );
    check("a.onnx", zip(&["archive/data.pkl"]), torch, export);
    let legacy = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";
    check("b.pth", legacy, torch, export);
    check("c.pth", b"odd", torch, export);
    let script = "FILE is not an ONNX model but a TorchScript file";
    let members = ["m/data.pkl", "m/code/x.py", "m/constants.pkl"];
    check("d.pt", zip(&members), script, "torch.jit.load");
    let exported = "FILE is not an ONNX model but a file of torch.export";
    let members = ["m/archive_format", "m/models/model.json"];
    check(
        "e.pt2",
        zip(&members),
        exported,
        "torch.export.load('DIR/e.pt2')",
    );
}

#[test]
fn tensorflow_files_are_told_apart() {
    let graph_of = "FILE is not an ONNX model but a TensorFlow graph";
    let frozen = bytes(1, &[bytes(1, b"x"), bytes(2, b"Placeholder")].concat());
    check("frozen.pb", &frozen, graph_of, "--graphdef DIR/frozen.pb");
    check("frozen.onnx", &frozen, graph_of, "--graphdef");
    let saved = [number(1, 1), bytes(2, &[7; 50])].concat();
    check(
        "saved_model.pb",
        saved,
        graph_of,
        "--saved-model DIR --output",
    );
    let huge = [number(1, 1), bytes(2, &vec![7; 2 << 20])].concat();
    check(
        "saved_model.pb",
        huge,
        graph_of,
        "--saved-model DIR --output",
    );
    let keras = zip(&["metadata.json", "config.json", "model.weights.h5"]);
    let message = "FILE is not an ONNX model but a Keras model";
    check(
        "m.keras",
        keras,
        message,
        "keras.saving.load_model('DIR/m.keras')",
    );
    let message = "FILE is not an ONNX model but an HDF5 file (Keras)";
    check("m.h5", b"\x89HDF\r\n\x1a\n\0", message, "format='onnx'");
    let message = "FILE is not an ONNX model but a TensorFlow Lite model";
    check(
        "m.tflite",
        b"\x1c\0\0\0TFL3\0",
        message,
        "--tflite DIR/m.tflite",
    );
}

#[test]
fn tree_libraries_are_told_apart() {
    let xgboost = "FILE is not an ONNX model but an XGBoost model";
    check(
        "m.json",
        br#"{"learner":{"attributes":{}}}"#,
        xgboost,
        "convert_xgboost",
    );
    check(
        "m.ubj",
        b"{L\0\0\0\0\0\0\0\x07learner{",
        xgboost,
        "load_model('DIR/m.ubj')",
    );
    check("m.bin", b"binf\0\0\0\x3f", xgboost, "convert_xgboost");
    let lightgbm = "FILE is not an ONNX model but a LightGBM model";
    check(
        "m.txt",
        "tree\nversion=v4\n",
        lightgbm,
        "model_file='DIR/m.txt'",
    );
    let catboost = "FILE is not an ONNX model but a CatBoost model";
    check("m.cbm", b"CBM1\x10\0\0\0", catboost, "format='onnx'");
}

#[test]
fn other_formats_of_models_are_told_apart() {
    let is = |what: &str| format!("FILE is not an ONNX model but {what}");
    let tensors = [&8_u64.to_le_bytes()[..], b"{\"a\":{}}"].concat();
    let message = is("a safetensors file: weights without a graph");
    check(
        "w.safetensors",
        tensors,
        &message,
        "optimum-cli export onnx --model DIR onnx",
    );
    let message = is("a GGUF file: weights for llama.cpp");
    check("w.gguf", b"GGUF\x03\0\0\0", &message, "optimum-cli");
    let core_ml = [number(1, 4), bytes(2, &bytes(1, b"features"))].concat();
    check(
        "m.mlmodel",
        core_ml,
        &is("a Core ML model"),
        "where the model was trained",
    );
    let pmml = r#"<?xml version="1.0"?><PMML version="4.4">"#;
    check("m.xml", pmml, &is("a PMML document"), "skl2onnx");
    let open_vino = "<?xml version=\"1.0\"?>\n<net name=\"m\" version=\"11\">";
    check(
        "v.xml",
        open_vino,
        &is("an OpenVINO model"),
        "torch.onnx.export",
    );
    let message = is("a model in ONNX Runtime's own format");
    check(
        "m.ort",
        b"\x1c\0\0\0ORTM\0",
        &message,
        "from which it was made",
    );
    let message = is("an ONNX model written as text");
    check(
        "m.textproto",
        "ir_version: 8\ngraph {",
        &message,
        "format='textproto'",
    );
    check(
        "m.pdmodel",
        b"\x0a\x05",
        &is("a PaddlePaddle model"),
        "paddle2onnx",
    );
}

#[test]
fn files_that_are_no_model_at_all_are_told_apart() {
    let is = |what: &str| format!("FILE is not an ONNX model but {what}");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
    let message = is("a Git LFS pointer, not the file itself");
    check("model.onnx", pointer, &message, "git lfs pull");
    let page = "\n<!DOCTYPE html>\n<html><head><title>model.onnx</title>";
    check("model.onnx", page, &is("a web page (HTML)"), "`Raw` link");
    check(
        "model.onnx",
        "<HTML>404",
        &is("a web page (HTML)"),
        "/resolve/",
    );
    check(
        "m.xml",
        "<?xml version='1.0'?><a/>",
        &is("an XML document"),
        ".onnx",
    );
    check("m.json", "{\"a\": 1}", &is("a JSON document"), ".onnx");
    check(
        "m.onnx.gz",
        b"\x1f\x8b\x08\0",
        &is("a gzip archive"),
        "gunzip --keep DIR/m.onnx.gz",
    );
    check(
        "m.zip",
        zip(&["model.onnx"]),
        &is("a zip archive"),
        "unzip DIR/m.zip",
    );
    let mut tar = vec![b'm'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    check("m.tar", tar, &is("a tar archive"), "tar -xf DIR/m.tar");
}

#[test]
fn garbage_is_not_onnx() {
    let at = |problem: &str, at: u64| format!("FILE is not an ONNX model: {problem} at byte {at}");
    let message = at("a field cannot have this number", 0);
    check("zeros.onnx", [0; 64], &message, "skl2onnx");
    let message = at("a field cannot have this wire type", 2);
    check("text.onnx", "hello world\0", &message, "skl2onnx");
    let message = at("the file ends in the middle of a field", 2);
    check("short.onnx", "zz\0", &message, "skl2onnx");
    let message = at("no field that a model has, from the start", 0);
    check("odd.onnx", bytes(15, b"nothing"), &message, "skl2onnx");
    let message = at("a number takes more than ten bytes", 0);
    check("ones.onnx", [0xff; 64], &message, "skl2onnx");
}

#[test]
fn a_name_that_needs_quoting_is_not_put_into_a_command() {
    let (_, hint) = error_of("my $(model).pkl", b"\x80\x04.");
    assert!(hint.contains("joblib.load('FILE')"), "{hint}");
}

#[test]
fn a_cut_or_damaged_model_is_told_from_garbage() {
    let whole = model(8, 17, &[]);
    let copy = "copy or download the file again";
    let cut = &whole[..whole.len() - 1];
    let message = "FILE is cut off: it has 14 bytes and needs at least 15";
    check("m.onnx", cut, message, copy);
    let message = "FILE is cut off: it has 16 bytes";
    check(
        "m.onnx",
        [whole.as_slice(), &[0x80]].concat(),
        message,
        copy,
    );
    let lie = [number(1, 8), bytes(7, &[0x0a, 0x7f])].concat();
    let lie = [lie, opset("", 17), vec![0; 200]].concat();
    let message = "FILE is damaged: a field is longer than the message around it (byte 6)";
    check("m.onnx", lie, message, copy);
    let message = "FILE is damaged: a message is not of its type (byte 4)";
    check(
        "m.onnx",
        [number(1, 8), bytes(8, &[0xff])].concat(),
        message,
        copy,
    );
}

#[test]
fn an_unfinished_model_says_what_it_lacks() {
    let again = "export the model again";
    check("m.onnx", b"", "FILE is empty", again);
    let message = "the model FILE has no graph";
    check("m.onnx", number(1, 8), message, again);
    let message = "the model FILE has no outputs";
    check(
        "m.onnx",
        [number(1, 8), opset("", 17), bytes(7, b"")].concat(),
        message,
        again,
    );
    let message = "the model FILE has no operator set";
    check(
        "m.onnx",
        [number(1, 8), graph(&[])].concat(),
        message,
        again,
    );
}

#[test]
fn a_model_newer_than_the_runtime_is_refused() {
    let new = "the model FILE is too new for ONNX Runtime 1.31: it has";
    let message = format!("{new} IR version 14, the newest supported is 13");
    check("m.onnx", model(14, 26, &[]), &message, "m.ir_version = 13");
    let message = format!("{new} operator set 27 of ai.onnx, the newest supported is 26");
    check("m.onnx", model(13, 27, &[]), &message, "opset_version=26");
    let message = format!("{new} operator set 6 of ai.onnx.ml, the newest supported is 5");
    let content = [model(13, 26, &[]), opset("ai.onnx.ml", 6)].concat();
    check(
        "m.onnx",
        content,
        &message,
        "target_opset={\"ai.onnx.ml\": 5}",
    );
}

#[test]
fn endless_structure_is_refused() {
    let message = "FILE has more structure than any real model, and is not read to its end";
    let mut deep = bytes(1, b"x");
    for _ in 0..40 {
        // A graph in an attribute in a node.
        deep = bytes(1, &bytes(5, &bytes(6, &deep)));
    }
    check("m.onnx", model(8, 17, &deep), message, "check_model");
    let many = bytes(5, &bytes(8, b"w")).repeat(2 << 20);
    check("m.onnx", model(8, 17, &many), message, "check_model");
    let long = bytes(2, &vec![b'x'; 2 << 20]);
    check("m.onnx", model(8, 17, &long), message, "check_model");
    let mut kind = bytes(7, b"");
    for _ in 0..200 {
        // A sequence of sequences.
        kind = bytes(4, &bytes(1, &kind));
    }
    let value = bytes(11, &[bytes(1, b"x"), bytes(2, &kind)].concat());
    let (found, _) = error_of("m.onnx", &model(8, 17, &value));
    assert!(found.contains("a message is not of its type"), "{found}");
}

#[test]
fn weights_outside_of_the_folder_are_refused() {
    let refused = |location: &str, problem: &str| {
        let message = format!("the model FILE keeps weights in `{location}`, which {problem}");
        let content = model(8, 17, &external(location, 0));
        check("m.onnx", content, &message, "save_as_external_data=True");
    };
    refused("../m.data", "leaves the model's folder");
    refused("/etc/passwd", "is an absolute path");
    let portable = "is not a portable relative path; separate folders with `/`";
    refused("..\\m.data", portable);
    refused("C:\\m.data", portable);
    refused(".", "is a folder");
}

#[test]
fn links_out_of_the_folder_are_refused_and_links_inside_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    fs_err::create_dir(&models).expect("makes");
    fs_err::write(folder.path().join("secret"), [0; 16]).expect("writes");
    fs_err::write(models.join("real.data"), [0; 16]).expect("writes");
    let link = |to: &str, name: &str| {
        fs_err::os::unix::fs::symlink(to, models.join(name)).expect("links");
        let path = models.join("m.onnx");
        fs_err::write(&path, model(8, 17, &external(name, 0))).expect("writes");
        inspect(&path)
    };
    let error = link("../secret", "out.data").expect_err("fails");
    let (message, _) = texts(folder.path(), &error);
    let expected = "the model `DIR/models/m.onnx` keeps weights in `out.data`, which is a link to \
        a place outside of the model's folder";
    assert_eq!(message, expected);
    let model = link("real.data", "in.data").expect("reads");
    assert_eq!(model.external_data[0].location, "in.data");
}

#[test]
fn missing_and_cut_weights_are_named() {
    let missing = model(8, 17, &external("m.data", 0));
    let message = "the model FILE keeps weights in `m.data`, which is missing";
    check("m.onnx", missing, message, "put `m.data` where");
    let message = "the model FILE keeps weights in `m.onnx`, which is cut off: it has 99 bytes, \
        and the tensor `weights` ends at 1016";
    let content = model(8, 17, &external("m.onnx", 1000));
    let message = message.replace("99", &content.len().to_string());
    check("m.onnx", content, &message, "compare its size");
}

#[test]
fn a_path_that_is_no_file_says_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = |path: &Path| texts(folder.path(), &inspect(path).expect_err("fails"));
    let (message, hint) = said(&folder.path().join("no.onnx"));
    assert_eq!(message, "there is no file `DIR/no.onnx`");
    assert_eq!(hint, "check the path");
    let link = folder.path().join("link.onnx");
    std::os::unix::fs::symlink("../gone.onnx", &link).expect("links");
    let (message, hint) = said(&link);
    let expected = "`DIR/link.onnx` is a link to `../gone.onnx`, which is not there";
    assert_eq!(message, expected);
    assert!(hint.contains("mend the link"), "{hint}");
    fs_err::remove_file(link).expect("removes");
    let (message, hint) = said(folder.path());
    assert_eq!(message, "`DIR` is a folder, not a model file");
    assert_eq!(hint, "name the .onnx file");
    fs_err::write(folder.path().join("m.onnx"), b"").expect("writes");
    assert_eq!(said(folder.path()).1, "name the file: `DIR/m.onnx`");
    fs_err::write(folder.path().join("saved_model.pb"), b"").expect("writes");
    let (message, hint) = said(folder.path());
    assert_eq!(
        message,
        "`DIR` is not an ONNX model but a TensorFlow SavedModel folder"
    );
    assert!(hint.contains("--saved-model DIR --output"), "{hint}");
    let socket = folder.path().join("socket.onnx");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("binds");
    assert_eq!(said(&socket).0, "`DIR/socket.onnx` is not a regular file");
}
