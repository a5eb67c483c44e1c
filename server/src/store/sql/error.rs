//! Errors of a database in words for whoever runs the program.

use crate::store::StoreError;

/// What went wrong with the database of this name.
pub(super) fn failed(name: &str, error: &sqlx::Error) -> StoreError {
    let code = error
        .as_database_error()
        .and_then(|error| error.code())
        .unwrap_or_default();
    let what = match code.parse::<u32>().map(|code| code & 0xff) {
        _ if code.len() == 5 => postgres(&code, error),
        // SQLite's result codes, of which the low byte is the kind: https://sqlite.org/rescode.html
        Ok(5 | 6) => "is locked by another program".to_owned(),
        Ok(8) => "is read-only".to_owned(),
        Ok(13) => "is full: the disk, or the most that it may hold, is used up".to_owned(),
        Ok(11 | 26) => "is damaged, or no database of this program".to_owned(),
        Ok(14) => "cannot be opened".to_owned(),
        _ if matches!(error, sqlx::Error::PoolTimedOut) => {
            "is locked by another program, or too slow: no connection to it was free for 5 s"
                .to_owned()
        }
        _ => format!("cannot be used: {error}"),
    };
    StoreError::Failed(format!("the database `{name}` {what}"))
}

/// Of Postgres: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn postgres(code: &str, error: &sqlx::Error) -> String {
    match &code[..2] {
        "53" => format!("is full or has no connection left: {error}"),
        "25" => "is read-only".to_owned(),
        "57" => "is shutting down".to_owned(),
        _ => format!("cannot be used: {error}"),
    }
}
