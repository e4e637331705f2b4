"""The words that generated headlines are made of: companies, analysts' firms, verbs, objects.

Words only. How they combine is in `templates.py`; drawing them is `headlines.py`. Several words are here on purpose in
more than one role (Target, Apple, Visa, Gap; banks that are also rated), so that a model has to read the context.
"""

from __future__ import annotations

from typing import NamedTuple


class Company(NamedTuple):
    """A company that headlines are about."""

    name: str
    ticker: str
    exchange: str


def _companies(exchange: str, table: str) -> tuple[Company, ...]:
    entries = (entry.rsplit(" ", 1) for entry in table.strip().replace("\n", "").split(";") if entry.strip())
    return tuple(Company(name.strip(), ticker.strip(), exchange) for name, ticker in entries)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Drawn many times as often as the others: a few names dominate every real feed too.
FAMOUS = _companies("NASDAQ", "Apple AAPL;Tesla TSLA;Amazon AMZN;Netflix NFLX;Facebook FB;Microsoft MSFT") + _companies(
    "NYSE", "Target TGT;Visa V;Gap GPS;Ford F;Boeing BA;Disney DIS"
)

PRODUCTS = {
    "Apple": ("iPhone", "iPad"),
    "Tesla": ("Model 3", "Model S"),
    "Amazon": ("Prime", "Kindle"),
    "Netflix": ("Subscription", "Series"),
    "Facebook": ("Instagram", "WhatsApp"),
    "Microsoft": ("Azure", "Xbox"),
    "Target": ("Gift Card", "Grocery"),
    "Visa": ("Debit Card", "Checkout"),
    "Gap": ("Old Navy", "Jeans"),
    "Ford": ("F-150", "Mustang"),
    "Boeing": ("737 MAX", "787"),
    "Disney": ("Theme Park", "Pixar"),
}

_NASDAQ = _companies(
    "NASDAQ",
    """Intel INTC;Nvidia NVDA;Cisco CSCO;Adobe ADBE;PayPal PYPL;Costco COST;Starbucks SBUX;Qualcomm QCOM;Micron MU;
    Broadcom AVGO;Expedia EXPE;eBay EBAY;Intuit INTU;Zillow Z;Roku ROKU;Lululemon LULU;Dollar Tree DLTR;
    Ross Stores ROST;
    JetBlue JBLU;United Airlines UAL;Zoom Video ZM;Okta OKTA;Sirius XM SIRI;Mattel MAT;Hasbro HAS;Kraft Heinz KHC;
    Mondelez MDLZ;PepsiCo PEP;Marriott MAR;Wynn Resorts WYNN;Applied Materials AMAT;Lam Research LRCX;Xilinx XLNX;
    Ulta Beauty ULTA;Tractor Supply TSCO;O'Reilly Automotive ORLY;Fastenal FAST;Paccar PCAR;CSX CSX;Baidu BIDU;
    JD.com JD;Criteo CRTO;Trivago TRVG;Groupon GRPN;Urban Outfitters URBN;Papa John's PZZA;Cheesecake Factory CAKE""",
)
_NYSE = _companies(
    "NYSE",
    """Walmart WMT;Home Depot HD;Lowe's LOW;Kroger KR;Best Buy BBY;Macy's M;Nordstrom JWN;Kohl's KSS;Nike NKE;
    Coca-Cola KO;McDonald's MCD;Chipotle CMG;Yum Brands YUM;Caterpillar CAT;Deere DE;General Electric GE;Honeywell HON;
    Lockheed Martin LMT;Raytheon RTN;General Motors GM;Exxon Mobil XOM;Chevron CVX;ConocoPhillips COP;Halliburton HAL;
    Schlumberger SLB;Delta Air Lines DAL;Southwest LUV;Carnival CCL;Hilton HLT;Oracle ORCL;IBM IBM;Salesforce CRM;
    Twitter TWTR;Snap SNAP;Square SQ;Uber UBER;Lyft LYFT;Pinterest PINS;Shopify SHOP;Spotify SPOT;Alibaba BABA;AT&T T;
    Verizon VZ;FedEx FDX;UPS UPS;Union Pacific UNP;Dow DOW;DuPont DD;Alcoa AA;Freeport-McMoRan FCX;Newmont NEM;
    Barrick Gold GOLD;Clorox CLX;Colgate CL;Kellogg K;General Mills GIS;Tyson Foods TSN;Hershey HSY;Philip Morris PM;
    Altria MO;L Brands LB;Tiffany TIF;Ralph Lauren RL;Foot Locker FL;GameStop GME;AutoZone AZO;
    Harley-Davidson HOG;
    Whirlpool WHR;Lennar LEN;PulteGroup PHM;Nestlé NSRGY;L’Oréal LRLCY;Hermès HESAY;Société Générale SCGLY;
    Quintiles Q""",
)
OTHERS = _NASDAQ + _NYSE

DRUG_MAKERS = _companies(
    "NASDAQ",
    """Amgen AMGN;Biogen BIIB;Gilead GILD;Regeneron REGN;Vertex VRTX;Celgene CELG;Alexion ALXN;Incyte INCY;Novavax NVAX;
    Moderna MRNA;Exelixis EXEL;Amarin AMRN;Sarepta SRPT;Alkermes ALKS;BioMarin BMRN""",
) + _companies(
    "NYSE", "Pfizer PFE;Merck MRK;Eli Lilly LLY;AbbVie ABBV;Novartis NVS;Johnson & Johnson JNJ;Bristol-Myers BMY"
)

# Banks that publish ratings and are rated themselves: as a rated company they never open a headline.
RATED_BANKS = _companies(
    "NYSE", "Goldman Sachs GS;Morgan Stanley MS;JP Morgan JPM;Citigroup C;Bank of America BAC;Wells Fargo WFC"
)

FIRMS = (
    *("Goldman Sachs", "Morgan Stanley", "JP Morgan", "Citigroup", "Bank of America", "Wells Fargo", "Credit Suisse"),
    *("Deutsche Bank", "UBS", "Barclays", "Jefferies", "Piper Jaffray", "Raymond James", "Stifel", "Oppenheimer"),
    *("Needham", "Cowen & Co.", "BMO Capital", "RBC Capital", "Susquehanna", "KeyBanc", "Wedbush", "Mizuho", "Nomura"),
    *(
        "Macquarie",
        "Evercore ISI",
        "Bernstein",
        "Canaccord Genuity",
        "Roth Capital",
        "Telsey Advisory",
        "Argus Research",
    ),
)

FIRST_NAMES = _words(
    """Gene Toni Brian Mark Colin Laura Heather Scott Michael Katy Daniel Timothy Nicole Steven Ross Amit José Zoë"""
)
LAST_NAMES = _words(
    """Walker Bennett Keller Foster Lindqvist Okafor Tanaka Moreau Rossi Novak Patel Nguyen Hughes Schmidt Larsen García
    Muñoz Krüger"""
)

POSITIVE_RATINGS = ("Buy", "Buy", "Buy", "Outperform", "Overweight", "Strong Buy", "Positive")
NEUTRAL_RATINGS = ("Neutral", "Neutral", "Hold", "Hold", "Equal-Weight", "Market Perform", "Sector Perform", "In-Line")
NEGATIVE_RATINGS = ("Sell", "Sell", "Underperform", "Underweight", "Reduce", "Negative")

DRUGS = (
    *("Lung Cancer Drug", "Diabetes Drug", "Migraine Treatment", "Flu Vaccine", "Asthma Inhaler", "Leukemia Therapy"),
    *("Gene Therapy", "Psoriasis Drug", "Cholesterol Pill", "Insulin Pump", "Heart Valve", "Hepatitis C Drug"),
)
UPGRADABLES = (
    *("Cloud Network", "Data Centers", "Wireless Network", "Mobile App", "Store Checkout Systems", "Delivery Fleet"),
    *("Factory Robots", "Rewards Program", "Payment Terminals", "Website", "Warehouse Software", "Flight Systems"),
)
TARGET_BUYS = ("Stake", "Rival", "Startup", "Unit", "Assets", "Software Maker", "Logistics Firm", "Online Retailer")
SECTORS = (
    "Tech",
    "Energy",
    "Retail",
    "Bank",
    "Airline",
    "Chip",
    "Biotech",
    "Auto",
    "Housing",
    "Media",
    "Steel",
    "Gold",
)
COUNTRIES = ("China", "Japan", "Germany", "Europe", "Canada", "Brazil", "India", "Mexico", "France", "Spain")
INDICATORS = (
    *(
        "Consumer Confidence",
        "Retail Sales",
        "Industrial Production",
        "Housing Starts",
        "Jobless Claims",
        "Durable Goods",
    ),
    *("Factory Orders", "Nonfarm Payrolls", "Core CPI", "Trade Deficit", "Manufacturing PMI", "Existing Home Sales"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
MONTHS = _words("January February March April May May May June July August September October November December")
SPOKEN_QUARTERS = ("First", "Second", "Third", "Fourth")
QUOTES = (
    *("We Are Not For Sale", "The Worst Is Over", "Demand Is Strong", "No Comment", "A New Chapter, Not an Ending"),
    *("Supply, Not Demand, Is the Problem", "Very Pleased", "Growth Will Come Back"),
)
CJK_ASIDES = ("阿里巴巴", "腾讯", "トヨタ", "任天堂", "삼성전자")
EMOJI = ("🚀", "📈", "📉", "🔥", "💎")

# Words that keep their capital in a headline written in sentence case.
PROPER = frozenset(
    _words(
        """Apple Washington Michigan Oregon Street Fed Benzinga Reuters Bloomberg CNBC Wall European American Chinese
        Nasdaq Dow Jones Treasury Brent Zacks Congress Senate Court I"""
    )
) | frozenset(WEEKDAYS + MONTHS + COUNTRIES)
