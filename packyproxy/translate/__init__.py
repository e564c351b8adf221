"""The rules between client protocols and the Responses hub; pure. ``protocols`` lists what is spoken."""
