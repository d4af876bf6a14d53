"""Any text a person may have written, made safe for LaTeX and for Markdown.

LaTeX's output compiles under pdflatex with nothing but the class ``article``, and is plain ASCII but for letters that no
font of the class has: these stand as they are in a macro, `OTHER`, which XeLaTeX and LuaLaTeX set and pdflatex passes over.
"""

import re
import unicodedata

# A letter and its LaTeX, in turn. [ and * would be taken for arguments of the \\ before them.
WORDS = r"""
& \& % \% _ \_ # \# $ \$ { \{ } \} [ {[} ] {]} * {*} ~ \textasciitilde{} ^ \textasciicircum{} \ \textbackslash{}
| \textbar{} < \textless{} > \textgreater{} " {\ttfamily\char34} ` {\ttfamily\char96}
± $\pm$ − $-$ × $\times$ ÷ $\div$ · $\cdot$ ° $^\circ$ µ $\mu$ ≤ $\le$ ≥ $\ge$ ≠ $\ne$ ≈ $\approx$ ∞ $\infty$ √ $\surd$
→ $\to$ ← $\leftarrow$ ↑ $\uparrow$ ↓ $\downarrow$ ∈ $\in$ ∅ $\emptyset$ † \dag{} ‡ \ddag{} § \S{} ¶ \P{} © \copyright{}
… \dots{} • $\bullet$ – \textendash{} — \textemdash{} ‐ - ‑ - ⁄ / ‘ ` ’ ' “ \textquotedblleft{} ” \textquotedblright{}
ß \ss{} æ \ae{} Æ \AE{} œ \oe{} Œ \OE{} ø \o{} Ø \O{} ł \l{} Ł \L{} ı \i{} ð d đ d Đ D þ th Þ Th
α $\alpha$ β $\beta$ γ $\gamma$ δ $\delta$ ε $\epsilon$ ζ $\zeta$ η $\eta$ θ $\theta$ ι $\iota$ κ $\kappa$ λ $\lambda$
μ $\mu$ ν $\nu$ ξ $\xi$ π $\pi$ ρ $\rho$ σ $\sigma$ τ $\tau$ υ $\upsilon$ φ $\varphi$ χ $\chi$ ψ $\psi$ ω $\omega$
Γ $\Gamma$ Δ $\Delta$ Θ $\Theta$ Λ $\Lambda$ Ξ $\Xi$ Π $\Pi$ Σ $\Sigma$ Φ $\Phi$ Ψ $\Psi$ Ω $\Omega$
""".split()  # noqa: SIM905
LATEX = dict(zip(WORDS[::2], WORDS[1::2], strict=True))
ACCENTS = {0x300: "`", 0x301: "'", 0x302: "^", 0x303: "~", 0x304: "=", 0x306: "u", 0x307: ".", 0x308: '"', 0x30A: "r"}
ACCENTS |= {0x30B: "H", 0x30C: "v", 0x327: "c", 0x323: "d", 0x331: "b"}
OTHER = "PvtExpOther"
"""The macro round letters that pdflatex lacks; `pvt_exp.report.latex` defines it where it is used."""
_BEGIN, _END = "\ufdd0", "\ufdd1"  # no characters: they stand for the macro's braces until its runs are joined
AS_IT_IS = re.compile("[A-Za-z0-9.,:;()/+=]+(?:[ -][A-Za-z0-9.,:;()/+=]+)*")
"""Text of which nothing is changed for LaTeX, as most names are."""
COMBINED = re.compile("[^\u0300-\u036f]?[\u0300-\u036f]+")


class _Letters(dict[int, str]):
    """LaTeX of a character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = _letter(chr(code))
        return self[code]


def _letter(char: str) -> str:
    if char in LATEX:
        return LATEX[char]
    if " " <= char <= "~":
        return char
    if unicodedata.category(char) in ("Cc", "Cf") or char in (_BEGIN, _END):
        return ""
    if unicodedata.category(char) == "Cs":  # half of a character, in a name that is not UTF-8
        return "?"
    if len(parts := unicodedata.normalize("NFD", char)) > 1:
        return _accented(parts)
    kind, _, codes = unicodedata.decomposition(char).partition(" ")
    if kind.startswith("<"):  # a form of other letters: ², ﬁ, ½
        plain = "".join(_letter(chr(int(code, 16))) for code in codes.split())
        raised = {"<super>": "^", "<sub>": "_"}.get(kind)
        return f"${raised}{{\\mathrm{{{plain}}}}}$" if raised and plain.isalnum() else plain
    return f"{_BEGIN}{char}{_END}"


def _accented(parts: str) -> str:
    """A letter with its accents, which are those that LaTeX has."""
    base = _letter(parts[0])
    if _BEGIN in base or any(ord(mark) not in ACCENTS for mark in parts[1:]):
        return f"{_BEGIN}{unicodedata.normalize('NFC', parts)}{_END}"
    for mark in parts[1:]:
        base = f"\\{ACCENTS[ord(mark)]}{{{chr(92) + base if base in 'ij' else base}}}"
    return base


_LATEX = _Letters()


def one_line(text: str) -> str:
    """The text with every run of blanks, tabs and line ends as one blank."""
    return " ".join(text.split()) if not text.isascii() or not text.isprintable() or "  " in text else text.strip()


def latex(text: str) -> str:
    """The text for LaTeX's running text, captions and cells."""
    if AS_IT_IS.fullmatch(text):
        return text
    text = unicodedata.normalize("NFC", one_line(text))
    found, at = [], 0
    for match in COMBINED.finditer(text):  # accents for which there is no letter that has them
        found += [text[at : match.start()].translate(_LATEX), _accented(match[0])]
        at = match.end()
    text = "".join([*found, text[at:].translate(_LATEX)])
    if _BEGIN in text:
        text = re.sub(f"{_END}( ?){_BEGIN}", r"\1", text).replace(_BEGIN, f"\\{OTHER}{{").replace(_END, "}")
    return re.sub(r"([-'`])(?=\1)", r"\1{}", text)  # else they join to dashes and quotes


def markdown(text: str) -> str:
    """The text for GitHub's Markdown, in a cell or anywhere in a line."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]~$#|])", r"\\\1", text)
