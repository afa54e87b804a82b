"""Image URLs of the Shardimage dialect: `s-token2` as the official PHP SDK signs them, and passwords of viewers."""

from __future__ import annotations

from shardimage import CLOUD, IMAGE_HOST, VECTORS, Installation
from shardimage_php import SECRET, Connect, Sdk, create, image_token, legacy_signer


def test_viewers_present_plain_and_msha1_passwords(sdk: Sdk, shardimage: Installation) -> None:
    """S2-13; a name of digits is an integer to PHP."""
    password = VECTORS["msha1"][0]["password"]
    viewers = {"plain": "first password", "hashed": {"msha1": password}, "1001": "third password"}
    extra = {"cloudId": CLOUD, "secret": SECRET, "authentication": viewers}
    link = shardimage.link(create(sdk, "imageUrl", image_token(limit=3, extra=extra))["id"])

    def code(username: str, password: str) -> str:
        return shardimage.code(link, basic={"username": username, "password": password})

    assert shardimage.code(link) == "AUTHENTICATION_REQUIRED"
    assert code("plain", "wrong") == "AUTHENTICATION_REQUIRED"
    assert code("hashed", VECTORS["msha1"][0]["hash"]) == "AUTHENTICATION_REQUIRED"
    assert code("nobody", "first password") == "AUTHENTICATION_REQUIRED"
    assert [code("plain", "first password"), code("hashed", password), code("1001", "third password")] == [
        "ALLOWED"
    ] * 3
    assert code("plain", "first password") == "LIMIT_REACHED"


def test_urls_of_the_sdk_are_allowed_as_signed(connect: Connect, serving_shardimage: Installation) -> None:
    """S2-10, S2-11, S2-12: `s-token2` leaves the cloud unsigned, so the token's restriction must hold it."""
    token = create(connect(serving_shardimage), "imageUrl", image_token(limit=3))
    sign = legacy_signer(connect(serving_shardimage), token)
    plain = sign()
    assert plain.startswith(f"https://{IMAGE_HOST}/{CLOUD}/s-token2:{token['id']},")
    assert serving_shardimage.code(plain) == "ALLOWED"
    long = sign("dir/my img", transformation="w:200", version=3, format="webp", seo="nice-name")
    assert serving_shardimage.code(long) == "ALLOWED"
    code = serving_shardimage.code
    assert code(plain.replace(IMAGE_HOST, "evil.example.com")) == "BAD_SIGNATURE"
    assert code(plain.replace(f"/{CLOUD}/", "/othercloud/")) == "WRONG_CLOUD"
    assert code(plain.replace("/i/pid", "/i/pie")) == "BAD_SIGNATURE"
    assert code(plain + "?w=1") != "ALLOWED"
    assert code(sign()) == "ALLOWED"
    assert code(plain) == "LIMIT_REACHED"


def test_urls_of_the_sdk_end_with_a_changed_secret_and_a_revoked_token(
    connect: Connect, serving_shardimage: Installation
) -> None:
    """S2-28, S2-29."""
    sdk = connect(serving_shardimage)
    changed, revoked = (create(sdk, "imageUrl", image_token()) for _ in range(2))
    links = [legacy_signer(sdk, token)() for token in (changed, revoked)]
    assert [serving_shardimage.code(link) for link in links] == ["ALLOWED", "ALLOWED"]
    extra = {"cloudId": CLOUD, "secret": "another secret"}
    sdk.value("update", type="imageUrl", token=image_token(id=changed["id"], extra=extra))
    sdk.value("revoke", id=revoked["id"])
    assert [serving_shardimage.code(link) for link in links] == ["BAD_SIGNATURE", "REVOKED"]


def test_urls_of_the_sdk_need_a_token_with_a_cloud(connect: Connect, serving_shardimage: Installation) -> None:
    """S2-11: without a restriction, `s-token2` would open every cloud."""
    sdk = connect(serving_shardimage)
    token = create(sdk, "imageUrl", image_token(extra={"secret": SECRET}))
    assert serving_shardimage.code(legacy_signer(sdk, token)()) != "ALLOWED"
    assert serving_shardimage.code(serving_shardimage.link(token["id"])) == "ALLOWED"


def test_urls_of_the_sdk_are_refused_where_they_are_not_switched_on(sdk: Sdk, shardimage: Installation) -> None:
    token = create(sdk, "imageUrl", image_token())
    assert shardimage.code(legacy_signer(sdk, token)()) != "ALLOWED"
