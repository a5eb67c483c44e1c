//! `tojson` as `transformers` gives it to templates: Python's `json.dumps`, without the escapes for HTML of Jinja's own.

use std::io::{self, Write};

use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::jinja::{BoundedWriter, Lazy};

/// The most spaces that `tojson` indents by; more is no layout but an attack.
const MAX_INDENT: usize = 16;
/// The longest separator, for the same reason.
const MAX_SEPARATOR_BYTES: usize = 16;

/// The filter.
pub(super) fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    let sorted: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    let refused = |why: String| Error::new(ErrorKind::InvalidOperation, why);
    if value.is_undefined() || Lazy::is_one(value) {
        return Err(refused(
            "`tojson` takes nothing undefined, lists that are not made yet and views".into(),
        ));
    }
    if let Some(indent) = indent.filter(|&indent| indent > MAX_INDENT) {
        return Err(refused(format!(
            "`indent` must be at most {MAX_INDENT}, found {indent}"
        )));
    }
    let (comma, colon) = match separators.as_deref() {
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
        Some([comma, colon]) if comma.len().max(colon.len()) <= MAX_SEPARATOR_BYTES => {
            (comma.clone(), colon.clone())
        }
        Some(_) => {
            return Err(refused(format!(
                "`separators` must be two texts of at most {MAX_SEPARATOR_BYTES} bytes"
            )));
        }
    };
    let layout = PythonJson {
        indent,
        comma,
        colon,
        ascii: ascii.unwrap_or(false),
        depth: 0,
        filled: false,
    };
    if sorted.unwrap_or(false) {
        return written(&sorted_by_key(value)?, layout);
    }
    written(value, layout)
}

/// By way of text, whose length is bounded, where that of the value is not: it may hold a part in many places.
fn sorted_by_key(value: &Value) -> Result<serde_json::Value, Error> {
    let failed = |why: serde_json::Error| Error::new(ErrorKind::BadSerialization, why.to_string());
    let mut json = BoundedWriter::default();
    value
        .serialize(&mut serde_json::Serializer::new(&mut json))
        .map_err(failed)?;
    let mut value: serde_json::Value = serde_json::from_slice(&json.0).map_err(failed)?;
    value.sort_all_objects();
    Ok(value)
}

fn written(value: &impl Serialize, layout: PythonJson) -> Result<String, Error> {
    let failed = |why: String| Error::new(ErrorKind::BadSerialization, why);
    let mut json = BoundedWriter::default();
    value
        .serialize(&mut Serializer::with_formatter(&mut json, layout))
        .map_err(|why| failed(why.to_string()))?;
    String::from_utf8(json.0).map_err(|why| failed(why.to_string()))
}

/// How Python lays out JSON: on one line with a blank behind each comma and colon, or indented.
struct PythonJson {
    indent: Option<usize>,
    comma: String,
    colon: String,
    /// Whether everything else is escaped.
    ascii: bool,
    depth: usize,
    /// Whether the innermost array or object has anything in it.
    filled: bool,
}

impl PythonJson {
    fn begin(&mut self, writer: &mut (impl Write + ?Sized), bracket: u8) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(&[bracket])
    }

    fn end(&mut self, writer: &mut (impl Write + ?Sized), bracket: u8) -> io::Result<()> {
        self.depth -= 1;
        if self.filled {
            self.new_line(writer)?;
        }
        self.filled = true;
        writer.write_all(&[bracket])
    }

    fn item(&mut self, writer: &mut (impl Write + ?Sized), first: bool) -> io::Result<()> {
        self.filled = true;
        if !first {
            writer.write_all(self.comma.as_bytes())?;
        }
        self.new_line(writer)
    }

    fn new_line(&self, writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
        match self.indent {
            Some(indent) => write!(writer, "\n{:1$}", "", indent * self.depth),
            None => Ok(()),
        }
    }
}

impl Formatter for PythonJson {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b'[')
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b']')
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.item(writer, first)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b'{')
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b'}')
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.item(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.colon.as_bytes())
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(python_float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !self.ascii {
            return writer.write_all(fragment.as_bytes());
        }
        for character in fragment.chars() {
            // The one ASCII character that Python escapes here is 0x7f.
            if (' '..='~').contains(&character) {
                write!(writer, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// The shortest digits that give the number back, with an exponent of at least two digits where it is far from 1.
pub(super) fn python_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ if value.fract() == 0.0 => format!("{value:.1}"),
        _ => value.to_string(),
    }
}
