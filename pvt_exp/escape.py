"""Any text a person may have written, made safe for LaTeX and for Markdown.

LaTeX's output is plain ASCII that compiles under pdflatex with nothing but the class ``article``; what the class has no
letter for is shown as its code point, so that nothing vanishes and nothing stops the compiler.
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
    if unicodedata.category(char) in ("Cc", "Cf", "Mn"):
        return ""
    parts = unicodedata.normalize("NFD", char)
    if len(parts) > 1 and (base := _letter(parts[0])):
        for mark in parts[1:]:
            accent = ACCENTS.get(ord(mark))
            dotless = f"\\{base}" if base in "ij" else base
            base = f"\\{accent}{{{dotless}}}" if accent else base
        return base
    kind, _, codes = unicodedata.decomposition(char).partition(" ")
    if kind.startswith("<"):  # a form of other letters: ², ﬁ, ½
        plain = "".join(_letter(chr(int(code, 16))) for code in codes.split())
        raised = {"<super>": "^", "<sub>": "_"}.get(kind)
        return f"${raised}{{\\mathrm{{{plain}}}}}$" if raised and plain.isalnum() else plain
    return f"U+{ord(char):04X}"


_LATEX = _Letters()


def one_line(text: str) -> str:
    """The text with every run of blanks, tabs and line ends as one blank."""
    return " ".join(text.split()) if not text.isascii() or not text.isprintable() or "  " in text else text.strip()


def latex(text: str) -> str:
    """The text for LaTeX's running text, captions and cells."""
    text = unicodedata.normalize("NFC", one_line(text)).translate(_LATEX)
    return re.sub(r"([-'`])(?=\1)", r"\1{}", text)  # else they join to dashes and quotes


def markdown(text: str) -> str:
    """The text for GitHub's Markdown, in a cell or anywhere in a line."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]~$#|])", r"\\\1", text)
