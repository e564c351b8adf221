"""A document in two languages says the same in both, as far as that can be told without reading them."""

import re
from pathlib import Path

import pytest

from tests.support.documents import read_page
from tests.support.twins import TWINS, differences, path_of

ENGLISH = """\
# Title

See [below](#below) for 2 of the `keys`.

| Key | Default |
|---|---|
| `a` | 1 |

```sh
true  # a comment
false
```

## Below

- one
"""
CHINESE = """\
# 标题

[下面](#下面)说明 `keys` 中的 2 个。

| 键 | 默认值 |
|---|---|
| `a` | 1 |

```sh
true  # 注释
false
```

## 下面

- 一
"""
each_pair = pytest.mark.parametrize(("english", "chinese"), TWINS, ids=[english for english, _ in TWINS])


@each_pair
def test_the_twins_say_the_same(english: str, chinese: str) -> None:
    """Both have the same headings, paragraphs, items, rows and blocks, with the same code, numbers and links."""
    found = differences(english, chinese)
    assert not found, "\n".join(found)


@each_pair
def test_each_begins_with_a_link_to_the_other(english: str, chinese: str) -> None:
    """Whoever opens the wrong one finds the other one above everything else."""
    first = [path_of(page, read_page(page).links[0].target) for page in (english, chinese)]
    assert [chinese, english] == first


@each_pair
def test_the_chinese_page_leads_to_chinese_pages(english: str, chinese: str) -> None:
    """Where a page exists in both languages the Chinese one is linked, but for its own twin."""
    links = [link.target for link in read_page(chinese).links if "://" not in link.target]
    linked = {path_of(chinese, link) for link in links}
    assert set() == linked & {page for page, _ in TWINS} - {english}


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("# 标题", "## 标题"),
        ("`keys`", "`key`"),
        ("的 2 个", "的 3 个"),
        ("#下面)", "#标题)"),
        ("#下面)", "#无)"),
        ("| `a` | 1 |\n", ""),
        ("| `a` | 1 |", "| `a` | 2 |"),
        ("true", "echo"),
        ("true  # 注释\nfalse\n", "false\ntrue\n"),
        ("```sh", "```python"),
        ("- 一", "一"),
        ("- 一\n", ""),
        ("- 一\n", "- 一\n- 二\n"),
        ("## 下面\n\n- 一\n", ""),
    ],
)
def test_what_one_twin_lacks_is_noticed(text: str, changed: str, tmp_path: Path) -> None:
    """A heading, row, block, item, key, number or link that only one of them has is told of, with its line."""
    assert [] == differences(*pair(tmp_path / "as-they-are", CHINESE))
    found = differences(*pair(tmp_path / "changed", CHINESE.replace(text, changed)))
    assert found
    assert all(re.search(r"\.md:\d+: ", difference) for difference in found)


def pair(folder: Path, chinese: str) -> tuple[str, str]:
    """Write the example and a twin of it."""
    folder.mkdir()
    pages = folder / "page.md", folder / "page_CN.md"
    for page, text in zip(pages, (ENGLISH, chinese), strict=True):
        page.write_text(text, "utf-8")
    return str(pages[0]), str(pages[1])
