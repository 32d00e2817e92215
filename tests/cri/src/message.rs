//! The interface's messages, from JSON and to JSON.
//!
//! Knows only what `cri.proto` says. Refuses fields that are not there: a misspelt field would otherwise be a limit that
//! nobody set. What a newcomer would get wrong: in this JSON a 64-bit number is a string, as the mapping of protocol
//! buffers wants it.

use crate::Result;
use protobuf::Message;
use protobuf::descriptor::FileDescriptorSet;
use protobuf::reflect::{FileDescriptor, MessageDescriptor};

/// Made by the build script.
const TABLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cri.bin"));

/// A call: where it goes and what it is made of.
pub(crate) struct Method {
    pub(crate) path: String,
    request: MessageDescriptor,
    answer: MessageDescriptor,
}

impl Method {
    /// The method of this name, of whichever service has it.
    pub(crate) fn named(name: &str) -> Result<Method> {
        let table = table()?;
        for service in table.services() {
            let Some(method) = service.methods().find(|method| method.proto().name() == name)
            else {
                continue;
            };
            let path = format!("/runtime.v1.{}/{name}", service.proto().name());
            return Ok(Method { path, request: method.input_type(), answer: method.output_type() });
        }
        Err(format!("cri.proto has no method {name}"))
    }

    pub(crate) fn encode(&self, json: &str) -> Result<Vec<u8>> {
        let message = protobuf_json_mapping::parse_dyn_from_str(&self.request, json);
        let message = message.map_err(|why| format!("{}: {why} in {json}", self.path))?;
        message.write_to_bytes_dyn().map_err(told)
    }

    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<String> {
        let message = self.answer.parse_from_bytes(bytes).map_err(told)?;
        let options = protobuf_json_mapping::PrintOptions {
            proto_field_name: true,
            // A test asks whether a code is 0, and not whether it is missing.
            always_output_default_values: true,
            ..Default::default()
        };
        protobuf_json_mapping::print_to_string_with_options(&*message, &options)
            .map_err(|why| format!("{}: {why}", self.path))
    }
}

fn table() -> Result<FileDescriptor> {
    let set = FileDescriptorSet::parse_from_bytes(TABLE).map_err(told)?;
    let file = set.file.into_iter().next().ok_or("the build script read no cri.proto")?;
    FileDescriptor::new_dynamic(file, &[]).map_err(told)
}

fn told(error: protobuf::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_the_interface_says_on_the_wire() {
        let stop = Method::named("StopContainer");
        let stop =
            stop.map(|stop| (stop.encode(r#"{"container_id": "ab", "timeout": 300}"#), stop.path));
        let wire = vec![0x0a, 2, b'a', b'b', 0x10, 0xac, 2];
        assert_eq!(stop, Ok((Ok(wire), "/runtime.v1.RuntimeService/StopContainer".into())));
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let refused =
            Method::named("StopContainer").and_then(|stop| stop.encode(r#"{"time_out": 1}"#));
        assert!(refused.is_err_and(|why| why.contains("time_out")));
    }

    #[test]
    fn what_an_answer_does_not_say_is_its_default() {
        let answer = Method::named("ExecSync").and_then(|exec| exec.decode(&[0x0a, 2, b'h', b'i']));
        let answer = answer.map(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        let meant = serde_json::json!({ "stdout": "hi", "stderr": "", "exit_code": 0 });
        assert_eq!(answer, Ok(Some(meant)));
    }
}
