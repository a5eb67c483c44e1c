//! Where the forms of questions and answers go: these stand below the acts that they ask for, and know their addresses alone.

/// The page of what answers took; one answer's follows it.
pub(crate) const SPEED: &str = "/speed";

/// Where it says how the answer's figures lie among those of others.
pub(crate) const FIRST: &str = "first";
pub(crate) const DECODE: &str = "decode";
pub(crate) const TOTAL: &str = "total";
pub(crate) const COST: &str = "cost";
/// Where it says what the answer's time went into.
pub(crate) const PARTS: &str = "parts";

/// Compares kernels, threads and weights; one comparison's page follows it.
pub const COMPARE: &str = "/compare";

/// Where a comparison is ended early.
pub const STOP_COMPARISON: &str = "/compare/stop";

/// Where one is forgotten.
pub const DELETE_COMPARISON: &str = "/compare/delete";

/// Where an answer is computed again.
pub const REPLAY: &str = "/speed/replay";

/// How the program works.
pub const ABOUT: &str = "/about";

/// Where it says what the machine can do at best.
pub const ROOFLINE: &str = "/about#roofline";

/// Where it says how figures are computed.
pub(crate) const FORMULAS: &str = "/about#formulas";

/// The models that there are.
pub const MODELS: &str = "/about/models";

/// Where a model is fetched and served by its name.
pub const FETCH_MODEL: &str = "/about/models/fetch";

/// Where a fetch is ended early.
pub const CANCEL_FETCH: &str = "/about/models/cancel";

/// How a fetch goes, as events.
pub const FETCH_EVENTS: &str = "/about/models/events";

/// Where a model is removed, so that it can be had back.
pub const REMOVE_MODEL: &str = "/about/models/remove";

/// Where a removed model is had back.
pub const RESTORE_MODEL: &str = "/about/models/restore";

/// Where a removed model is deleted for good.
pub const DISCARD_MODEL: &str = "/about/models/discard";

/// What answers took, as a file.
pub const SPEED_FILE: &str = "/speed.csv";

pub(crate) const AGAIN: &str = "/api/again";
pub(crate) const BRANCH: &str = "/api/branch";
pub(crate) const CONTINUE: &str = "/api/continue";
pub(crate) const EDIT: &str = "/api/edit";
pub(crate) const HIDE: &str = "/api/hide";
pub(crate) const SHOW: &str = "/api/choose";
pub(crate) const STOP: &str = "/api/stop";

#[cfg(test)]
mod tests {
    use leptos::server_fn::ServerFn;

    use super::*;

    #[test]
    fn addresses_are_those_of_the_acts() {
        use crate::actions::{
            AnswerAgain, BranchOff, ContinueAnswer, EditQuestion, HideQuestion, ShowBranch,
            StopAnswer,
        };

        for (address, act) in [
            (AGAIN, AnswerAgain::PATH),
            (BRANCH, BranchOff::PATH),
            (CONTINUE, ContinueAnswer::PATH),
            (EDIT, EditQuestion::PATH),
            (HIDE, HideQuestion::PATH),
            (SHOW, ShowBranch::PATH),
            (STOP, StopAnswer::PATH),
        ] {
            assert_eq!(address, act);
        }
    }
}
