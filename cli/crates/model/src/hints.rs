//! The commands that make ONNX of something else.

use std::path::Path;

use crate::foreign::Format;

/// What to do with a file of that format. `FILE` and `FOLDER` in the table stand for the path.
pub(crate) fn convert(format: Format, path: &Path) -> String {
    let file = shown(path, "FILE");
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.map_or_else(|| ".".to_owned(), |folder| shown(folder, "FOLDER"));
    advice(format)
        .replace("FILE", &file)
        .replace("FOLDER", &folder)
}

/// The path, if it needs no quoting anywhere in a command.
fn shown(path: &Path, otherwise: &str) -> String {
    let plain = |text: &&str| {
        let harmless = |c: char| c.is_alphanumeric() || "/._-".contains(c);
        !text.starts_with('-') && text.chars().all(harmless)
    };
    path.to_str().filter(plain).unwrap_or(otherwise).to_owned()
}

const PYTORCH: &str = "load the model as you do for predictions, then:\n  \
    torch.onnx.export(model.eval(), (example_input,), \"model.onnx\", \
    input_names=[\"features\"], dynamic_axes={\"features\": {0: \"N\"}})";

const SKLEARN: &str = "if it holds a scikit-learn model (`pip install skl2onnx joblib`):\n  \
    python -c \"import joblib; from skl2onnx import to_onnx; \
    from skl2onnx.common.data_types import FloatTensorType as F; m = joblib.load('FILE'); \
    s = to_onnx(m, initial_types=[('features', F([None, m.n_features_in_]))]).SerializeToString(); \
    open('model.onnx', 'wb').write(s)\"\n\
    (a pickle can run any code: open only what you trust)";

const KERAS: &str = "with Keras 3 (`pip install keras tensorflow onnx tf2onnx`):\n  \
    python -c \"import keras; \
    keras.saving.load_model('FILE').export('model.onnx', format='onnx')\"";

const XGBOOST: &str = "with onnxmltools (`pip install onnxmltools xgboost`; XGBRegressor for a regressor):\n  \
    python -c \"import xgboost, onnxmltools as o; \
    from onnxmltools.convert.common.data_types import FloatTensorType as F; \
    m = xgboost.XGBClassifier(); m.load_model('FILE'); \
    x = o.convert_xgboost(m, initial_types=[('features', F([None, m.n_features_in_]))]); \
    o.utils.save_model(x, 'model.onnx')\"";

const LIGHTGBM: &str = "with onnxmltools (`pip install onnxmltools lightgbm`):\n  \
    python -c \"import lightgbm, onnxmltools as o; \
    from onnxmltools.convert.common.data_types import FloatTensorType as F; \
    m = lightgbm.Booster(model_file='FILE'); \
    x = o.convert_lightgbm(m, initial_types=[('features', F([None, m.num_feature()]))]); \
    o.utils.save_model(x, 'model.onnx')\"";

const CATBOOST: &str = "with CatBoost itself (`pip install catboost`):\n  \
    python -c \"from catboost import CatBoost; \
    CatBoost().load_model('FILE').save_model('model.onnx', format='onnx')\"";

const TRAINING_SIDE: &str = "nothing converts it back: export ONNX where the model was trained \
    (scikit-learn: skl2onnx; PyTorch: torch.onnx.export; TensorFlow: tf2onnx)";

fn advice(format: Format) -> &'static str {
    match format {
        Format::Pickle => SKLEARN,
        Format::PyTorch => PYTORCH,
        Format::TorchScript => {
            "load it with torch.jit.load, then:\n  torch.onnx.export(model.eval(), \
             (example_input,), \"model.onnx\", input_names=[\"features\"], dynamo=False)"
        }
        Format::TorchExport => {
            "with PyTorch (`pip install torch onnx onnxscript`):\n  python -c \"import torch; \
             torch.onnx.export(torch.export.load('FILE')).save('model.onnx')\""
        }
        Format::SavedModel => {
            "with tf2onnx (`pip install tf2onnx tensorflow`):\n  \
             python -m tf2onnx.convert --saved-model FILE --output model.onnx"
        }
        Format::TensorFlow => {
            "with tf2onnx (`pip install tf2onnx tensorflow`), for the file of a SavedModel:\n  \
             python -m tf2onnx.convert --saved-model FOLDER --output model.onnx\n\
             for a frozen graph:\n  python -m tf2onnx.convert --graphdef FILE --output model.onnx \
             --inputs INPUT:0 --outputs OUTPUT:0"
        }
        Format::Keras | Format::Hdf5 => KERAS,
        Format::TfLite => {
            "with tf2onnx (`pip install tf2onnx tensorflow`):\n  \
             python -m tf2onnx.convert --tflite FILE --output model.onnx"
        }
        Format::XgBoost => XGBOOST,
        Format::LightGbm => LIGHTGBM,
        Format::CatBoost => CATBOOST,
        Format::Safetensors => {
            "with Optimum (`pip install optimum[onnx]`), on the folder with its config.json:\n  \
             optimum-cli export onnx --model FOLDER onnx-model"
        }
        Format::Gguf => {
            "nothing converts it back: export the model from which it was made, e.g. with Optimum:\n  \
             optimum-cli export onnx --model NAME-ON-HUGGING-FACE onnx-model"
        }
        Format::CoreMl | Format::Pmml | Format::OpenVino => TRAINING_SIDE,
        Format::Paddle => {
            "with paddle2onnx (`pip install paddle2onnx`):\n  \
             paddle2onnx --model_dir FOLDER --model_filename FILE --save_file model.onnx"
        }
        Format::Ort => "name the .onnx file from which it was made; mlfn optimises it by itself",
        Format::OnnxText => {
            "with onnx (`pip install onnx`):\n  python -c \"import onnx; \
             onnx.save(onnx.load('FILE', format='textproto'), 'model.onnx')\""
        }
        Format::LfsPointer => "get the file itself:\n  git lfs pull",
        Format::Html => {
            "download the file itself, not the page that shows it: on GitHub the `Raw` link, \
             on Hugging Face the address with `/resolve/` instead of `/blob/`"
        }
        Format::Python | Format::Notebook => {
            "run it, with the export to ONNX at its end (scikit-learn: skl2onnx; PyTorch: \
             torch.onnx.export; TensorFlow: tf2onnx), and name the .onnx file that it writes"
        }
        Format::Xml | Format::Json | Format::Text => "name the .onnx file of the model",
        Format::Gzip => "unpack it first:\n  gunzip --keep FILE",
        Format::Zip => "unpack it first:\n  unzip FILE",
        Format::Tar => "unpack it first:\n  tar -xf FILE",
    }
}
