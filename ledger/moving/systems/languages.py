"""The words TimeOverflow writes in each language: headings, and what stands for a member who is not active."""

HEADS = {
    "en": ("date", "from", "to", "post", "quantity"),
    "es": ("fecha", "origen", "destino", "anuncio", "cantidad"),
    "ca": ("data", "origen", "destí", "anunci", "quantitat"),
    "fr": ("date", "depuis", "vers", "annonce", "quantité"),
}
MEMBER_HEADS = {
    "number": ("n",),
    "name": ("name", "nombre", "nom"),
    "email": ("email", "correo", "correu", "e-mail"),
    "phone": ("phone", "teléfono", "telèfon", "téléphone"),
    "balance": ("balance", "balanç", "solde", "saldo"),
}
LANGUAGES = {"en": "English", "es": "Spanish", "ca": "Catalan", "fr": "French"}
INACTIVE = {
    "the user isn't active": "en",
    "el usuario no está activo": "es",
    "l'usuari no està actiu": "ca",
    "l'utilisateur n'est pas actif": "fr",
}
