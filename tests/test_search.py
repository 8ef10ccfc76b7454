"""The search engine of the examples: what it indexes, what it finds, in which order, and what it says when it can't."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest
from background_sites import in_background
from crawler_process import Crawler
from demo_web import DemoWeb
from demo_web_pages import demo_pages
from page_store import MANIFEST, PAGE, PAGES, Record, StoredPage, file_name, write_page
from page_text import title_and_text
from program_process import LOOPS, Finished, Program


@pytest.fixture(params=LOOPS)
def search(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    return Program("search", request.param, tmp_path)


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the crawler stores of the demo site."""
    directory = tmp_path_factory.mktemp("crawled") / "pages"
    with in_background(DemoWeb(partial(demo_pages, endless=False))) as site:
        Crawler("asyncio", directory).run(site.start_url)
    return directory


def store(directory: Path, pages: dict[str, str]) -> Path:
    """Store pages as the crawler does, by their paths."""
    (directory / PAGES).mkdir(parents=True, exist_ok=True)
    lines = []
    for depth, (path, html) in enumerate(pages.items()):
        url = f"http://localhost{path}"
        write_page(directory / PAGES / file_name(url), StoredPage(url, depth, html))
        lines.append(json.dumps(asdict(Record(url, depth, PAGE, file=file_name(url)))) + "\n")
    (directory / MANIFEST).write_text("".join(lines))
    return directory


def found(done: Finished) -> list[str]:
    """The paths of the pages that a query printed, in its order."""
    assert (done.exit_code, done.messages) == (0, [])
    lines = done.stdout.splitlines()
    urls = [line.split()[0] for line in lines[1::3]]
    assert [line.partition(".")[0] for line in lines[0::3]] == [str(number + 1) for number in range(len(urls))]
    return ["/" + url.split("/", 3)[3] for url in urls]


@pytest.mark.parametrize("loop_name", LOOPS)
def test_all_pages_of_a_crawl_are_indexed_and_its_failures_are_not(
    loop_name: str, crawled: Path, tmp_path: Path
) -> None:
    search = Program("search", loop_name, tmp_path, development_mode=True)
    done = search.run("index", crawled, "index.db")
    lines = [json.loads(line) for line in (crawled / MANIFEST).read_text().splitlines()]
    pages = {line["url"]: line["depth"] for line in lines if line["outcome"] == "page"}
    assert (done.exit_code, done.messages, done.stdout) == (0, [], f"{len(pages)} indexed, 0 failed\n")
    with sqlite3.connect(tmp_path / "index.db") as database:
        rows = database.execute("SELECT url, depth, title FROM pages").fetchall()
    database.close()
    assert {url: depth for url, depth, _ in rows} == pages
    assert all(title == "Page /" + url.split("/", 3)[3] for url, _, title in rows)


def test_a_crawled_page_is_found_by_its_words_with_a_snippet(search: Program, crawled: Path) -> None:
    search.run("index", crawled, "index.db")
    done = search.run("query", "index.db", "café", "gottingen")
    assert found(done) == ["/spellings/caf%C3%A9.html"]
    title, url, snippet = done.stdout.splitlines()
    assert title == "1. Page /spellings/caf%C3%A9.html"
    assert " (depth 2, score " in url
    assert snippet.startswith("   A [café] in [Göttingen].")


def test_both_loops_find_the_same(crawled: Path, tmp_path: Path) -> None:
    answers = []
    for name in LOOPS:
        search = Program("search", name, tmp_path)
        search.run("index", crawled, f"{name}.db")
        answers.append([search.run("query", f"{name}.db", word, "--most", "200").stdout for word in ("tree", "lin*")])
    assert answers[0] == answers[1]
    assert len(set(answers[0])) == 2


PAGES_TO_RANK = {
    "/once": "<title>One</title><p>A lighthouse among many other words about the sea and the ships on it.",
    "/title": "<title>The lighthouse</title><p>It stands on a rock.",
    "/often": "<title>Two</title><p>Lighthouse, lighthouse, lighthouse!",
    "/plural": "<title>Three</title><p>Lighthouses stand at the coast.",
    **{f"/other-{number}": "<title>Other</title><p>Nothing of that kind is to be seen here." for number in range(8)},
}


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the pages to rank."""
    directory = tmp_path_factory.mktemp("ranked")
    Program("search", "asyncio", directory).run("index", store(directory / "pages", PAGES_TO_RANK), "index.db")
    return directory / "index.db"


def test_the_best_page_is_first(search: Program, ranked: Path) -> None:
    assert found(search.run("query", ranked, "lighthouse")) == ["/title", "/often", "/plural", "/once"]
    assert found(search.run("query", ranked, "lighthouse", "--most", "2")) == ["/title", "/often"]


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (["LIGHTHOUSE", "rock"], ["/title"]),
        (["lighthouse", "absent"], []),
        (["ships on"], ["/once"]),
        (["on ships"], []),
        (["shi*"], ["/once"]),
        (["shi"], []),
        (["sea", "OR", "rock"], []),
        (['sea"'], ["/once"]),
        (["title:rock"], []),
        (["!?"], []),
    ],
    ids=[
        "all-words",
        "one-is-missing",
        "phrase",
        "wrong-order",
        "beginning",
        "no-beginning",
        "no-operator",
        "quotation-mark",
        "no-column",
        "no-word",
    ],
)
def test_words_are_looked_for_as_they_stand(search: Program, ranked: Path, words: list[str], paths: list[str]) -> None:
    done = search.run("query", ranked, *words)
    if paths:
        assert found(done) == paths
    else:
        assert (done.exit_code, done.messages, done.stdout) == (0, [], "nothing found\n")


def test_an_index_is_replaced_as_a_whole(search: Program, tmp_path: Path) -> None:
    search.run("index", store(tmp_path / "first", {"/old": "<p>word"}), "index.db")
    search.run("index", store(tmp_path / "second", {"/new": "<p>word"}), "index.db")
    assert found(search.run("query", "index.db", "word")) == ["/new"]


def test_many_pages_are_indexed_in_batches(search: Program, tmp_path: Path) -> None:
    pages = {f"/{number}": f"<title>Number {number}</title><p>word number{number}" for number in range(333)}
    done = search.run("index", store(tmp_path / "pages", pages), "index.db")
    assert done.stdout == "333 indexed, 0 failed\n"
    assert len(found(search.run("query", "index.db", "word", "--most", "999"))) == 333
    assert found(search.run("query", "index.db", "number217")) == ["/217"]


def test_a_page_that_cannot_be_read_is_told_and_the_others_are_indexed(search: Program, tmp_path: Path) -> None:
    directory = store(tmp_path / "pages", {"/gone": "<p>word", "/spoiled": "<p>word", "/fine": "<p>word"})
    gone, spoiled = (directory / PAGES / file_name(f"http://localhost/{name}") for name in ("gone", "spoiled"))
    gone.unlink()
    spoiled.write_bytes(b"\xff")
    done = search.run("index", directory, "index.db")
    assert (done.exit_code, done.stdout) == (1, "1 indexed, 2 failed\n")
    assert done.messages == [
        f"http://localhost/gone: cannot read {gone}: No such file or directory",
        f"http://localhost/spoiled: cannot read {spoiled}: not a page of the crawler's",
    ]
    assert found(search.run("query", "index.db", "word")) == ["/fine"]


def test_an_interruption_leaves_the_old_index(search: Program, tmp_path: Path) -> None:
    search.run("index", store(tmp_path / "first", {"/old": "<p>word"}), "index.db")
    directory = store(tmp_path / "second", {"/new": "<p>word", "/slow": "<p>word"})
    # A pipe that nobody writes to: reading waits until the signal has been noticed.
    slow = directory / PAGES / file_name("http://localhost/slow")
    slow.unlink()
    os.mkfifo(slow)
    with search.started("index", directory, "index.db") as process:
        with slow.open("w") as pipe:  # opens when the program does
            process.send_signal(signal.SIGINT)
            pipe.write("URL: http://localhost/slow\nDepth: 0\n\n<p>word")
        done = process.finish()
    assert (done.exit_code, done.stdout, done.messages) == (130, "", ["search: interrupted"])
    assert found(search.run("query", "index.db", "word")) == ["/old"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "complaint"),
    [
        (("query", "missing.db", "word"), 2, "cannot open missing.db: No such file or directory"),
        (("query", "other.txt", "word"), 2, "cannot read other.txt: file is not a database"),
        (("query", "empty.db", "word"), 2, "cannot read empty.db: no such table: pages"),
        (("index", "missing", "index.db"), 2, "no pages in missing"),
        (("index", "pages", "nowhere/index.db"), 2, "cannot open nowhere/index.db: No such file or directory"),
        (("index", "pages", "other.txt"), 1, "cannot write other.txt: file is not a database"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(
    search: Program, tmp_path: Path, arguments: tuple[str, ...], exit_code: int, complaint: str
) -> None:
    store(tmp_path / "pages", {"/": "<p>word"})
    (tmp_path / "other.txt").write_text("This is a text, and no database. " * 100)
    (tmp_path / "empty.db").touch()
    done = search.run(*arguments)
    assert (done.exit_code, done.stdout, done.messages) == (exit_code, "", [f"search: {complaint}"])


@pytest.mark.parametrize("arguments", [(), ("index",), ("query", "index.db"), ("query", "i", "w", "--most", "0")])
def test_wrong_use_is_told(arguments: tuple[str, ...]) -> None:
    done = Program("search", "asyncio").run(*arguments)  # before there is a loop
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("search.py")


@pytest.mark.parametrize(
    ("html", "title", "text"),
    [
        ("<title> A\n title </title><p>One<p>two", "A title", "One two"),
        ("<title>First</title><svg><title>Second</title></svg>x", "First", "x"),
        ("in <b>on</b>e <i>w</i>ord<br>and<hr/>more", "", "in one word and more"),
        ("<script>let no = '<p>no'</script>yes<style>p { no: no }</style><template><p>no</template>", "", "yes"),
        ("&lt;p&gt; &eacute;&#233;", "", "<p> éé"),
        ("<!-- no -->yes<noscript>no<b>no</noscript>yes</p></script>", "", "yes yes"),
        ("", "", ""),
    ],
)
def test_the_text_of_a_page_is_what_a_reader_sees(html: str, title: str, text: str) -> None:
    assert title_and_text(html) == (title, text)
