"""How the examples find the links of a page: which URLs they fetch, how they decode a page, what a link is."""

from __future__ import annotations

import pytest
import web_pages

PAGE = "http://127.0.0.1/folder/page.html?q=1"


@pytest.mark.parametrize(
    ("html", "links"),
    [
        ('<a href="other.html">', ["http://127.0.0.1/folder/other.html"]),
        ('<a href="/other.html">', ["http://127.0.0.1/other.html"]),
        ('<a href="../../../other.html">', ["http://127.0.0.1/other.html"]),
        ('<a href="#part">', ["http://127.0.0.1/folder/page.html?q=1#part"]),
        ('<a href="?q=2">', ["http://127.0.0.1/folder/page.html?q=2"]),
        ('<a href="//example.org/x">', ["http://example.org/x"]),
        ('<a href="https://example.org">', ["https://example.org"]),
        ('<a href="mailto:a@example.org?subject=b&amp;cc=c">', ["mailto:a@example.org?subject=b&cc=c"]),
        ('<a href="mailto:a&#10;b&#9;c&#13;@example.org">', ["mailto:abc@example.org"]),
        ('<a href="javascript:go()"><a href="tel:+49">', ["javascript:go()", "tel:+49"]),
    ],
)
def test_a_link_is_made_absolute(html: str, links: list[str]) -> None:
    assert web_pages.extract_links(PAGE, html) == links


@pytest.mark.parametrize(
    "tag",
    [
        '<a href="/x">',
        "<a href='/x'>",
        "<a href=/x>",
        "<A HREF=/x>",
        '<a\nclass="y"\n\thref\n=\n"/x"\n>',
        '<a href="/x"/>',
        '<a title="a > b" href="/x">',
        """<a title='href="/y"' href="/x">""",
        '<link href="/x">',
        '<area href="/x">',
        '<svg:a href="/x">',
        '<a href=" /x\n">',
        '<a href="/\nx\t">',
        '<a href="&#47;x">',
        '<a href="/x" href="/y">',
        '<a href="/x"><a href="/x">',
    ],
)
def test_an_href_is_found_however_it_is_written(tag: str) -> None:
    assert web_pages.extract_links(PAGE, tag) == ["http://127.0.0.1/x"]


@pytest.mark.parametrize(
    "html",
    [
        "<a>",
        "<a href>",
        '<a href="">',
        '<a href=" \n">',
        '<a href="http://[::1/">',
        '<a href="//[x/">',
        '<a data-href="/x">',
        '<!-- <a href="/x"> -->',
        "<script>'<a href=\"/x\">'</script>",
        'text href="/x" text',
        '&lt;a href="/x"&gt;',
        '<base href="/x/">',
        "",
    ],
)
def test_what_is_no_link_is_left_out(html: str) -> None:
    assert web_pages.extract_links(PAGE, html) == []


def test_a_link_that_cannot_be_parsed_does_not_cost_the_others() -> None:
    html = '<a href="/before"><a href="http://[/"><a href="/after">'
    assert web_pages.extract_links(PAGE, html) == ["http://127.0.0.1/before", "http://127.0.0.1/after"]


def test_entities_in_links_are_decoded_and_other_ampersands_kept() -> None:
    html = '<a href="/?a=1&amp;b=&quot;2&quot;&c=3"><a href="/caf&eacute;/&#x65e5;">'
    assert web_pages.extract_links(PAGE, html) == ['http://127.0.0.1/?a=1&b="2"&c=3', "http://127.0.0.1/café/日"]


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ('<base href="/other/">', "http://127.0.0.1/other/x"),
        ('<base href="other/">', "http://127.0.0.1/folder/other/x"),
        ("<BASE HREF='https://example.org/a/b'>", "https://example.org/a/x"),
        ('<base target="_top"><base href="/first/"><base href="/second/">', "http://127.0.0.1/first/x"),
        ('<base href="">', "http://127.0.0.1/folder/x"),
        ('<base href="http://[">', "http://127.0.0.1/folder/x"),
        ('<base href="data:text/plain,x">', "http://127.0.0.1/folder/x"),
        ('<!-- <base href="/other/"> -->', "http://127.0.0.1/folder/x"),
    ],
)
def test_links_are_relative_to_the_first_usable_base(base: str, link: str) -> None:
    for html in (f'{base}<a href="x">', f'<a href="x">{base}'):
        assert web_pages.extract_links(PAGE, html) == [link]


@pytest.mark.parametrize(
    ("body", "header_charset", "text"),
    [
        ("é".encode(), None, "é"),
        ("é".encode("latin-1"), "iso-8859-1", "é"),
        (b'<meta charset="latin-1">\xe9', None, '<meta charset="latin-1">é'),
        (b"<META\nCHARSET=latin-1>\xe9", None, "<META\nCHARSET=latin-1>é"),
        ('<meta charset="latin-1">é'.encode(), "utf-8", '<meta charset="latin-1">é'),
        ('<!-- <meta charset="latin-1"> -->é'.encode(), None, '<!-- <meta charset="latin-1"> -->é'),
        (("x" * 1024 + '<meta charset="latin-1">é').encode(), None, "x" * 1024 + '<meta charset="latin-1">é'),
        ('<meta charset="utf-16le">é'.encode(), None, '<meta charset="utf-16le">é'),
        ('<meta charset=""><p>é'.encode(), None, '<meta charset=""><p>é'),
        ("é".encode("utf-16"), "utf-16", "é"),
        (b"", None, ""),
    ],
)
def test_a_page_is_decoded_by_header_then_meta_then_as_utf_8(
    body: bytes, header_charset: str | None, text: str
) -> None:
    assert web_pages.decode(body, header_charset) == text


@pytest.mark.parametrize(
    "content", ["text/html; charset=latin-1", "text/html;CHARSET='latin-1'", "text/html; charset = latin-1; x=y"]
)
def test_the_older_meta_declares_a_charset_too(content: str) -> None:
    body = f'<meta http-equiv="Content-Type" content="{content}">é'.encode("latin-1")
    assert web_pages.decode(body, None).endswith("é")


def test_markup_that_the_parser_refuses_does_not_hide_the_charset_before_it() -> None:
    body = '<meta charset="latin-1"><![no-such-section[x]]>é'.encode("latin-1")
    assert web_pages.decode(body, None).endswith("é")
    assert web_pages.decode(b"<![no-such-section[x]]>", None) == "<![no-such-section[x]]>"


@pytest.mark.parametrize(
    ("body", "header_charset"),
    [
        (b"\xff", None),
        (b"\xe9", "utf-8"),
        (b"x", "no-such-charset"),
        (b"78", "hex"),
        (b'<meta charset="no-such-charset">', None),
        (b'<meta charset="utf-8\0">', None),
        (b"x", "utf-16"),
    ],
)
def test_what_cannot_be_decoded_is_a_failure(body: bytes, header_charset: str | None) -> None:
    with pytest.raises(web_pages.PageError) as raised:
        web_pages.decode(body, header_charset)
    assert raised.value.cause == "bad encoding"


@pytest.mark.parametrize(
    "url", ["http://a/", "https://a", "HTTP://a/", "http://a:80/?q#f", "http://[::1]/", "http://é/"]
)
def test_a_web_address_can_be_fetched(url: str) -> None:
    assert web_pages.is_fetchable(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a",
        "/a",
        "//a/",
        "ftp://a/",
        "mailto:a@b",
        "http://",
        "http:a",
        "http://[a/",
        "http://a/b c",
        "http://a/\tb",
    ],
)
def test_what_is_no_web_address_cannot_be_fetched(url: str) -> None:
    assert not web_pages.is_fetchable(url)
