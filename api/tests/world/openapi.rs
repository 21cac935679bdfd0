//! Answers judged by the published description: by the schema of their operation and status, errors included.

use std::{cell::RefCell, collections::BTreeMap, sync::LazyLock};

use http::{HeaderMap, StatusCode, header};
use semper_api::v1::OPENAPI;
use serde_json::{Value, json};

/// The document.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(OPENAPI).unwrap());

/// What is referred to by `$ref`, or the thing itself.
pub(crate) fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(place) => DOCUMENT.pointer(place.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{place}")),
        None => value,
    }
}

/// The path of the document that `path` is an instance of.
fn template(path: &str) -> Option<&'static str> {
    let parts: Vec<_> = path.split('/').collect();
    let fits = |template: &str| {
        let wanted: Vec<_> = template.split('/').collect();
        wanted.len() == parts.len()
            && wanted
                .iter()
                .zip(&parts)
                .all(|(wanted, part)| wanted.starts_with('{') && !part.is_empty() || wanted == part)
    };
    // A path without parameters goes before one with some.
    let mut found: Vec<_> = DOCUMENT["paths"].as_object().unwrap().keys().filter(|template| fits(template)).collect();
    found.sort_by_key(|template| template.matches('{').count());
    found.first().map(|template| template.as_str())
}

/// Judges an answer to a request for something that is described; others are errors, and judged as such.
#[track_caller]
pub(crate) fn judge(method: &str, path: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) {
    let path = path.split('?').next().unwrap();
    let operation = template(path).map(|template| &DOCUMENT["paths"][template][method.to_ascii_lowercase()]);
    let responses = operation.filter(|operation| operation.is_object()).map(|operation| &operation["responses"]);
    let of_status = responses.map(|responses| &responses[status.as_str()]).filter(|response| response.is_object());
    let response = match of_status {
        Some(response) => resolved(response),
        None => {
            assert!(!status.is_success(), "{method} {path}: {status} is not described");
            &DOCUMENT["components"]["responses"]["Problem"]
        }
    };
    if status == StatusCode::NOT_MODIFIED {
        return assert!(body.is_empty());
    }
    let media_type = headers[header::CONTENT_TYPE].to_str().unwrap().split(';').next().unwrap();
    let content = response["content"].get(media_type);
    let content = content.unwrap_or_else(|| panic!("{method} {path}: {status} as {media_type} is not described"));
    // Of another type than JSON the schema has only words to say.
    let is_json = media_type.ends_with("json");
    if let Some(schema) = content.get("schema").filter(|_| is_json) {
        judge_by(schema, body, &format!("{method} {path}: {status}"));
    }
}

thread_local! {
    /// Schemas that were compiled, by their text: each refers to all components, which takes longer to read than an answer to be judged.
    static COMPILED: RefCell<BTreeMap<String, (boon::Schemas, boon::SchemaIndex)>> = const { RefCell::new(BTreeMap::new()) };
}

fn compiled(schema: &Value) -> (boon::Schemas, boon::SchemaIndex) {
    let wrapped = json!({ "components": DOCUMENT["components"], "allOf": [schema] });
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.set_default_draft(boon::Draft::V2020_12);
    compiler.add_resource("answer.json", wrapped).unwrap();
    let index = compiler.compile("answer.json", &mut schemas).unwrap();
    (schemas, index)
}

/// Judges a document by a schema of the description.
#[track_caller]
pub(crate) fn judge_by(schema: &Value, body: &[u8], what: &str) {
    let instance: Value = serde_json::from_slice(body).unwrap();
    let judged = COMPILED.with_borrow_mut(|all| {
        let (schemas, index) = all.entry(schema.to_string()).or_insert_with(|| compiled(schema));
        schemas.validate(&instance, *index).map_err(|fault| format!("{fault:#}"))
    });
    assert_eq!(judged, Ok(()), "{what}: {instance:#}");
}
