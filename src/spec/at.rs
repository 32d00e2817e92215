//! Where in the configuration we are: the JSON pointer that every error and warning of this layer ends with.
//!
//! It knows RFC 6901 and the phrases that all fields share. It refuses to know any field.
//! What a newcomer would get wrong: a place costs nothing while all is well. It is a chain of borrowed links on the
//! stack; the text is only made for a message.

use crate::error::{Error, Result};

/// A place in the document.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    parent: Option<&'a At<'a>>,
    part: Part<'a>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Document,
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    /// The whole document.
    pub const DOCUMENT: At<'static> = At { parent: None, part: Part::Document };

    /// The value of `key` in the object here.
    pub const fn key<'b>(&'b self, key: &'b str) -> At<'b>
    where
        'a: 'b,
    {
        At { parent: Some(self), part: Part::Key(key) }
    }

    /// One element of the array here.
    pub const fn index(&self, index: usize) -> At<'_> {
        At { parent: Some(self), part: Part::Index(index) }
    }

    /// The RFC 6901 pointer; the document itself is the empty one.
    pub fn pointer(&self) -> String {
        let mut text = self.parent.map(At::pointer).unwrap_or_default();
        match self.part {
            Part::Document => {}
            Part::Key(key) => push_key(&mut text, key),
            Part::Index(index) => push_index(&mut text, index),
        }
        text
    }

    /// The value here breaks a rule.
    pub fn wrong(&self, message: impl Into<String>) -> Error {
        Error::spec(self.pointer(), message)
    }

    /// The word here is in its list already.
    pub fn twice(&self, word: &str) -> Error {
        self.wrong(format!("{word:?} is given twice")).hint("remove one of the two")
    }

    /// The value here is fine, but this version does not do what it asks.
    pub fn unsupported(&self, message: impl Into<String>) -> Error {
        Error::unsupported(self.pointer(), message)
    }

    /// A line for [`super::Spec::warnings`].
    pub fn warning(&self, message: impl std::fmt::Display) -> String {
        format!("{message} (at {})", self.pointer())
    }

    /// The value of a field that the runtime-spec calls REQUIRED.
    pub fn required<T>(&self, key: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.key(key).wrong("this field is required").hint("add it"))
    }

    /// The text here, which must be an absolute path.
    pub fn absolute<'t>(&self, path: &'t str) -> Result<&'t str> {
        if path.starts_with('/') {
            return Ok(path);
        }
        Err(self.wrong(format!("{path:?} is not an absolute path")).hint("begin it with '/'"))
    }

    /// What `text` stands for in `table`; `what` names the kind of word for the message.
    pub fn one_of<T: Copy>(&self, text: &str, what: &str, table: &[(&str, T)]) -> Result<T> {
        if let Some((_, meaning)) = table.iter().find(|(name, _)| *name == text) {
            return Ok(*meaning);
        }
        let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
        let hint = format!("use one of {}", names.join(", "));
        Err(self.wrong(format!("{text:?} is no {what}")).hint(hint))
    }

    /// Reads each element of the array here; an absent one has none.
    pub fn each<T, U>(
        &self,
        list: Option<Vec<T>>,
        mut read: impl FnMut(At<'_>, T) -> Result<U>,
    ) -> Result<Vec<U>> {
        let list = list.unwrap_or_default();
        list.into_iter().enumerate().map(|(index, item)| read(self.index(index), item)).collect()
    }
}

/// Appends a reference token for a key.
pub(super) fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    for c in key.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// Appends a reference token for an array index.
pub(super) fn push_index(pointer: &mut String, index: usize) {
    pointer.push('/');
    pointer.push_str(&index.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_follow_rfc_6901() {
        let root = At::DOCUMENT;
        assert_eq!(root.pointer(), "");
        let linux = root.key("linux");
        let list = linux.key("sysctl");
        assert_eq!(list.key("a/b~c").pointer(), "/linux/sysctl/a~1b~0c");
        assert_eq!(list.index(3).pointer(), "/linux/sysctl/3");
    }

    #[test]
    fn a_word_out_of_the_table_is_answered_with_the_table() {
        let error = At::DOCUMENT.key("op").one_of("GT", "operator", &[("EQ", 1), ("NE", 2)]);
        assert_eq!(
            error.map_err(|e| e.to_string()),
            Err("\"GT\" is no operator (at /op); use one of EQ, NE".to_owned())
        );
    }

    #[test]
    fn a_required_field_is_named_by_its_own_pointer() {
        let error = At::DOCUMENT.required::<()>("root", None);
        assert_eq!(
            error.map_err(|e| e.to_string()),
            Err("this field is required (at /root); add it".to_owned())
        );
    }
}
