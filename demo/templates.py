"""The sentence patterns of generated headlines, and the little language they are written in.

A line is a weight and a pattern. In a pattern `{slot}` is filled with a drawn text, labelled with the slot's concept
if it has one, and `[words:concept]` labels words that stand as they are. Labels follow what the words mean to a reader
who has read from the left: "Upgrades" is an `upgrade` after an analysts' firm, not after a company that renews its
network. This file knows no random numbers and doesn't know how slots are filled.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# The company is what an analysts' firm rates (it may be a bank).
RATED = """
30 {firm} [Upgrades:upgrade] {company} to {good}
16 {firm} [Upgrades:upgrade] {company} From {neutral} to {good}
10 {firm} [Upgrades:upgrade] {company} to {good}, {raises} {pt} [to:target_to] {target}
28 {firm} [Downgrades:downgrade] Shares of {company} to {bad}
14 {firm} [Downgrades:downgrade] Shares of {company} From {good} to {bad}
10 {firm} [Downgrades:downgrade] Shares of {company} to {bad}, {lowers} {pt} [to:target_to] {target}
46 {firm} [Maintains:maintains] {any} on {company}, {raises} {pt} [to:target_to] {target}
34 {firm} [Maintains:maintains] {any} on {company}, {lowers} {pt} [to:target_to] {target}
22 {firm} {raises} {pt} on {company} From {target} [to:target_to] {target_higher}
14 {firm} {lowers} {company} {pt} [to:target_to] {target}
12 {firm} {lowers} {pt} on {company} From {target} [to:target_to] {target_lower}
12 {firm} {raises} {company} {pt} [to:target_to] {target}, Keeps {any} Rating
26 {firm} [Initiates Coverage:coverage] on {company} with {any} Rating, Announces {target} {pt}
10 {firm} Starts {company} at {any}
14 {firm} Reiterates {any} on {company}, {target} {pt}
12 {firm} Analyst {person} Reiterates {any} Rating on {company}
8 {firm} Resumes {company} at {any}
7 Analyst {person} of {firm} [Upgrades:upgrade] {company}
7 Analyst {person} of {firm} [Downgrades:downgrade] Shares of {company}
8 {firm} on {company}: {quote}
7 {firm} Adds {company} to Conviction List
7 {firm} Removes {company} From Focus List
3 Watching {company}; Hearing {firm} [Downgraded:downgrade] Shares
3 Watching {company}; Hearing {firm} [Upgraded:upgrade] Shares to {good}
5 {firm} Sees {percent} Upside in {company}, {raises} {pt} [to:target_to] {target}
"""

# The company speaks, trades, reports; these may open with its name.
COMPANY = """
3 {company} [Upgraded:upgrade] to {good} at {firm}
3 {company} [Downgraded:downgrade] to {bad} at {firm}
6 {company} Estimates, {pt} Cut at {firm}
34 {company} {quarter} EPS {eps} {beats} {eps_lower} Estimate, Sales {sales} vs {sales_lower} Est.
20 {company} {quarter} EPS {eps} {misses} Estimate of {eps_higher}, Sales {sales} vs {sales_higher} Est.
14 {company} {quarter} Adj. EPS {eps} {beats} {eps_lower} Estimate, Sales {sales} vs {sales_higher} Est.
10 {company} {quarter} Adj. EPS {eps} {misses} Estimate of {eps_higher}, Sales {sales} vs {sales_lower} Est.
10 {company} Reports {quarter} EPS {eps} vs {eps_lower} Est., Sales {sales} vs {sales_higher} Est.
10 {company} Sees {quarter} Sales {sales} vs {sales} Estimate
9 {company} Reports {spoken} Quarter Earnings, Revenue Up {percent} YoY
7 {company} {spoken} Quarter Profit Falls {percent} on Weak Demand
7 {company} Comparable Sales Up {percent} in {quarter}
6 {company} Earnings Preview: What to Expect From {quarter}
6 {company} Option Alert: Calls vs {strike} Strike
24 {company} Shares {up} {percent} {session}
24 {company} Shares {down} {percent} {session}
10 {company} Shares {up} {percent} After {quarter} Earnings Beat
10 {company} Shares {down} {percent} After {firm} Downgrade
8 {company} {listing} Stock {up} {percent} {session}
8 {company} Shares {down} {percent}; {rival} {up} {percent}
7 Shares of {company} {down} {percent} as {sector} Stocks Slide
7 Why {company}'s Stock Is {trading} {percent}
6 Why {company} Shares Are {trading}
7 {company} Shares Resume Trading, {up} {percent}
7 {company} Hits New [52-Week:year_range] High of {strike}
6 {company} Trading at {strike}, Down for {days} Straight Days
8 {company} Upgrades {upgradable} in {days} Cities
8 {company} Upgrades {upgradable}, Sees {money} in Savings
5 {company} Unveils Upgraded {upgradable}
5 {company} Downgrades {year} Outlook
5 {company} Downgrades Its {year} Sales Forecast
9 {company} Raises {money} in {security} Offering
7 {company} Raises {year} EPS Guidance From {eps} to {eps_higher}
7 {company} Raises Quarterly [Dividend:dividend] From {eps} to {eps_higher}/Share
6 {company} Cuts {days}00 Jobs in {sector} Unit
5 {company} Lowers {year} Sales Forecast to {sales}
9 {company} to [Acquire:merger] {rival} for {money}
8 {company} to [Acquire:merger] {target_buy} for {money} in Cash
8 {company} to Buy {target_buy} for {money}
7 {company} to Buy Back {money} in Stock
7 {company} to Sell {sector} Unit for {money}
6 {company} to Hold Investor Day in {month}
5 {company} Plans to Be Carbon Neutral by {year}
6 {company} in Talks to [Acquire:merger] {rival}: Reuters
6 {company}, {rival} Announce {money} Merger
5 {company} Beats {rival} for {money} Contract
5 {company} Beats Lawsuit Over {upgradable}
5 {company} Misses Deadline to File {year} Report
5 {company} Misses Bond Payment of {money}
5 {company} Says Takeover Target Rejected {money} Bid
5 {company} Wins Shareholder Approval for {money} Merger
5 {company} Seeks Board Approval for {money} Buyback
5 {company} Says It Will Not Meet {year} Sales Target
4 {company} CEO Says "{quotation}"
4 {company} CEO {executive}: "{quotation}"
4 {company} CFO Steps Down, Effective {month} {day}
4 {company} Narrows Gap With {rival} in {sector} Race
4 {company} Says Visa Rules Hurt Hiring, Needs [H-1B Visa:work_visa] Workers
4 {company} May Be Next {sector} Takeover Target
4 {company} Shares May Rise on {sector} News
4 {company} – {rival} Deal “Likely,” Sources Say
3 {company} ({cjk}) and {rival} Sign {money} Pact
3 {company} to the Moon? {emoji} Traders Bet {money} on Calls
3 {company} Café Opens at Paris Store; Rent Is €{days}00
3 {company} Sells UK Unit for £{days} Million
3 {company} Competitor {rival} Names {executive} as CEO
4 {rival} Sues {company} Over {upgradable} Patent
4 {rival} Partners With {company} on {upgradable}
5 Insider at {company} Buys {days}00 Shares at {strike}
5 Short Sellers Bet {money} Against {company}
5 Hedge Fund Takes {percent} Stake in {company}
5 Report: {company} Considering Bid for {rival}
4 {month} {day}: {company} Reports {quarter} Results
4 Cramer Says to Buy {company}, Sell {rival}
"""

# The company makes medicines and devices.
DRUG = """
24 {company} Receives [FDA Approval:fda_approval] for {drug}
16 {company} Wins [FDA Approval:fda_approval] of {drug}
10 Breaking: [FDA Approves:fda_approval] {company} {drug}
8 {company} Says [FDA:fda_approval] Panel Backs {drug}
10 {company} Announces [FDA Clearance:fda_approval] of {drug}
8 {company} Shares {up} {percent} After [FDA Approval:fda_approval] of {drug}
7 {company} Says EU Approval of {drug} Expected in {month}
6 {company} Phase {phase} Trial of {drug} Meets Primary Goal
6 {company} Phase {phase} {drug} Study Misses Main Goal
6 {company} Receives Board Approval for {money} Buyback
5 {company} Receives Complete Response Letter for {drug}
"""

# One of the few companies that the feed is full of, with what it sells.
FAMOUS = """
12 Report: {company} {product} Sales {up} {percent} in {quarter}
10 Weak {company} {product} Sales Worry Analysts
8 Inside the {company} {product} Strategy
8 Strong {company} {product} Orders Lift Shares {percent}
6 Rumor: {company} to Unveil New {product} in {month}
6 Why {company} {product} Demand Matters
6 {firm} Sees {company} {product} Sales {up} {percent} in {year}
5 Rivals Copy {company} {product}, Says {firm} Analyst {person}
4 Court Blocks {company} {product} Patent
"""

# Nobody's news: markets, the economy, crops. The row's stock is drawn all the same.
WORLD = """
10 {indicator} for {month} {decimal} vs {decimal} Estimate; Prior {decimal}
8 {country} {indicator} {up} {percent} in {month}
8 {indicator} {down} {percent} in {month}, Economists Say
7 Fed Holds Rates at {percent}; Sees Slower Growth
6 Fed Raises Rates to {percent}
6 Oil {down} {percent} to {strike} a Barrel
6 Gold Trading at {money} an Ounce... Traders Cautious
8 {sector} Stocks {up} {percent} as {country} Talks Resume
9 {number} Biggest Movers From {weekday}
7 Top [Upgrades, Downgrades:rating_list] For {month} {day}, {year}
6 Benzinga's Top [Upgrades:upgrade] for {weekday}
6 Benzinga's Top [Downgrades:downgrade] for {weekday}
7 Stocks That Hit [52-Week:year_range] Highs On {weekday}
7 Stocks That Hit [52-Week:year_range] Lows On {weekday}
7 {number} Stocks Moving In {weekday}'s Pre-Market Session
6 Earnings Scheduled For {month} {day}, {year}
5 US Stock Futures Mixed Ahead of {indicator}, Fed
6 Washington Growers Expect Smaller Apple Crop in {month}
6 Michigan Orchards See Apple Harvest {up} {percent}
5 Frost Damages Oregon Apple Orchards; Juice Prices {up} {percent}
5 Late Frost Hits European Apple Growers
5 Senate Bill Would Limit [H-1B Visa:work_visa] Workers
5 Central Bank Misses Inflation Target in {month}
4 {country} Trade Gap Narrows to {money}
4 Budget Gap in {country} Widens to {money}
3 What's Next for {sector} Stocks? "{quotation}"
"""

GROUPS = {"rated": RATED, "company": COMPANY, "drug": DRUG, "famous": FAMOUS, "world": WORLD}
SLOT_CONCEPTS = {
    "firm": "analyst_firm",
    "person": "analyst_name",
    "good": "rating",
    "neutral": "rating",
    "bad": "rating",
    "any": "rating",
    "raises": "target_change",
    "lowers": "target_change",
    "target": "price_target",
    "target_higher": "price_target",
    "target_lower": "price_target",
    "percent": "percentage",
    "quarter": "quarter",
    "spoken": "quarter",
    "beats": "earnings_beat",
    "misses": "earnings_miss",
    "eps": "eps",
    "eps_higher": "eps",
    "eps_lower": "eps",
    "sales": "sales",
    "sales_higher": "sales",
    "sales_lower": "sales",
    "money": "deal_value",
    "month": "month",
    "year": "year",
    "listing": "ticker",
    "company": "company",
    "rival": "company",
}
_PART = re.compile(r"\{(?P<slot>\w+)\}|\[(?P<words>[^\]]+?):(?P<concept>\w+)\]")


class Part(NamedTuple):
    """A piece of a pattern: either a `slot` to fill or literal `text`; `concept` is the label of the piece, if any."""

    text: str
    slot: str
    concept: str


class Pattern(NamedTuple):
    """One line of a group."""

    group: str
    weight: int
    parts: tuple[Part, ...]


def patterns() -> tuple[Pattern, ...]:
    """All patterns, in the order in which they stand above."""
    return tuple(
        Pattern(group, int(weight), parse(line))
        for group, text in GROUPS.items()
        for weight, line in (entry.split(" ", 1) for entry in text.strip().splitlines())
    )


def parse(pattern: str) -> tuple[Part, ...]:
    """Cut a pattern into its parts; ValueError where a bracket is left over."""
    parts: list[Part] = []
    position = 0
    for match in _PART.finditer(pattern):
        if match.start() > position:
            parts.append(Part(pattern[position : match.start()], "", ""))
        if match["slot"]:
            parts.append(Part("", match["slot"], SLOT_CONCEPTS.get(match["slot"], "")))
        else:
            parts.append(Part(match["words"], "", match["concept"]))
        position = match.end()
    if position < len(pattern):
        parts.append(Part(pattern[position:], "", ""))
    if any(bracket in part.text for part in parts for bracket in "{}[]"):
        raise ValueError(f"unbalanced brackets in the headline pattern: {pattern}")
    return tuple(parts)
