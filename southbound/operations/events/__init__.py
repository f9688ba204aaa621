"""Operations on the events of the topics: publish them, follow them, show them."""
