//! What the library says, in containerd's words: codes of gRPC, messages of protobuf.
//!
//! It knows both vocabularies. What a newcomer would get wrong: callers match codes *and* text. `NotFound` makes a kill
//! of what has ended a success for docker; `Unimplemented` from Create would make containerd try an older protocol.

use crate::watch::End;
use containerd_shim_protos::ttrpc::{self, Code};
use protobuf::well_known_types::timestamp::Timestamp;
use protobuf::{EnumOrUnknown, Message, MessageField, well_known_types::any::Any};
use rrun::container::Status;
use rrun::error::{Error, Kind};
use std::time::{SystemTime, UNIX_EPOCH};

/// An error as containerd's client reads it: `failed`, what was done, then all that the library says of it.
pub fn refusal(failed: &str, error: &Error) -> ttrpc::Error {
    let code = match error.kind() {
        Kind::NotFound => Code::NOT_FOUND,
        Kind::Exists => Code::ALREADY_EXISTS,
        Kind::State => Code::FAILED_PRECONDITION,
        Kind::Usage | Kind::Spec | Kind::Unsupported => Code::INVALID_ARGUMENT,
        Kind::Denied => Code::PERMISSION_DENIED,
        _ => Code::UNKNOWN,
    };
    refused(code, format!("{failed}: {error}"))
}

/// A refusal with a code of its own.
pub fn refused(code: Code, text: impl Into<String>) -> ttrpc::Error {
    ttrpc::Error::RpcStatus(ttrpc::get_status(code, text.into()))
}

/// The kernel's time as protobuf has it.
pub fn timestamp(at: SystemTime) -> MessageField<Timestamp> {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    MessageField::some(Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        // Below a thousand million.
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
        ..Timestamp::default()
    })
}

/// When it ended, if it has.
pub fn exited_at(end: Option<End>) -> MessageField<Timestamp> {
    end.map_or_else(MessageField::none, |end| timestamp(end.at))
}

/// A message of `package` in an `Any`: its type is its name alone, without a host before it. Reflection would know the
/// package, too, and would keep the descriptors of all of containerd's messages in memory for it.
pub fn any<M: Message>(package: &str, message: &M) -> protobuf::Result<Any> {
    Ok(Any {
        type_url: format!("{package}.{}", M::NAME),
        value: message.write_to_bytes()?,
        ..Any::default()
    })
}

/// The numbers of `containerd.v1.types.Status`.
pub fn status(status: Status) -> EnumOrUnknown<containerd_shim_protos::api::Status> {
    use containerd_shim_protos::api::Status as Theirs;
    EnumOrUnknown::new(match status {
        Status::Creating | Status::Created => Theirs::CREATED,
        Status::Running => Theirs::RUNNING,
        Status::Paused => Theirs::PAUSED,
        Status::Stopped => Theirs::STOPPED,
    })
}
