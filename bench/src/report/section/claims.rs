//! The article's claims, each with its verdict.

use super::Section;
use crate::report::claims::{Claim, Verdict, claims};
use crate::report::facts::Facts;
use crate::report::html::{Html, class, plain};

/// The list.
pub fn section(facts: &Facts) -> Section {
    let all = claims(facts).into_iter().map(item).collect::<Html>();
    Section {
        id: "claims",
        title: "Is it true what they say of containers?",
        lead: "The claims of an article that compares Docker with virtual machines, each put so that it can be measured.",
        body: class("ol", "claims", all),
    }
}

fn item(claim: Claim) -> Html {
    let kind = match claim.verdict {
        Verdict::Holds(_) => "verdict holds",
        Verdict::Partly(_) | Verdict::Open(_) => "verdict open",
        Verdict::Fails(_) => "verdict fails",
    };
    let evidence: Html = claim.evidence.into_iter().map(|line| plain("li", line)).collect();
    let right = class("div", kind, claim.verdict.to_string()).then(plain("ul", evidence));
    let left = plain("h3", claim.claim).then(class("p", "soft", claim.measured));
    plain("li", plain("div", left).then(plain("div", right)))
}
