"""How currencies are written next to a price."""

from __future__ import annotations

SIGNS = "$€£¥₹₽₺₩₴₫฿₪₦₱￥"
"""Signs before or after a number, with or without a space."""

_CODES = (
    "USD EUR GBP JPY CNY RMB CHF CAD AUD NZD HKD SGD TWD KRW INR IDR MYR THB PHP VND PKR BDT LKR BRL MXN ARS "
    "CLP COP PEN RUB UAH KZT TRY PLN CZK HUF RON BGN SEK NOK DKK ISK ILS SAR AED QAR KWD EGP ZAR NGN KES MAD "
    "USDT USDC BTC ETH GBX"
)
_WORDS = (
    "R$ US$ U$S A$ AU$ C$ CA$ HK$ NT$ NZ$ S$ MX$ Rs. Rs zł zl Kč kr. kr Ft TL Fr. Fr SFr. руб. руб р. RM Rp "
    "元 円 원 lei лв. грн ₹. रु. रु"
)
WORDS = tuple(sorted({*_CODES.split(), *_WORDS.split()}, key=lambda word: (-len(word), word)))
"""Codes and abbreviations, the longer ones first; case does not matter."""
